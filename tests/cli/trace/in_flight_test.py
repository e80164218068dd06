#!/usr/bin/env python3
"""trace of calls that are under way when it comes or goes: in_flight_test.py BINARY

The program says when each of its threads began to wait and when that was over; what the tool says must lie between.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from programs import until  # noqa: E402
from traces import Running, lines_of, tool, works  # noqa: E402

NUMBERS = {"x86_64": {"epoll_wait": 232, "poll": 7, "recvfrom": 45, "clock_nanosleep": 230, "restart_syscall": 219},
           "aarch64": {"epoll_pwait": 22, "ppoll": 73, "recvfrom": 207, "clock_nanosleep": 115,
                       "restart_syscall": 128}}.get(platform.machine())
WAITS = ("epoll", "poll", "recv")


class Waiter:
    """A thread for each wait; begin() makes them wait, end() ends the waits. Both tell of each its thread and a time."""

    SOURCE = """
import json, os, select, socket, sys, threading, time
e = select.epoll(); p = select.poll()
er, ew = os.pipe(); pr, pw = os.pipe(); a, b = socket.socketpair()
e.register(er, select.EPOLLIN); p.register(pr, select.POLLIN)
waits = {"epoll": lambda: e.poll(), "poll": lambda: p.poll(1000000), "recv": lambda: a.recv(10)}
fds = {"epoll": e.fileno(), "recv": a.fileno(), "ready": er}
lock = threading.Lock()
def say(**what):
    with lock: os.write(1, (json.dumps(what) + "\\n").encode())
def wait(name):
    say(name=name, tid=threading.get_native_id(), ns=time.monotonic_ns(), fds=fds)
    waits[name]()
    say(name=name, tid=threading.get_native_id(), ns=time.monotonic_ns())
for line in sys.stdin:
    if line == "begin\\n":
        threads = [threading.Thread(target=wait, args=(name,)) for name in waits]
        for thread in threads: thread.start()
    elif line == "end\\n":
        os.write(ew, b"x"); os.write(pw, b"x"); b.send(b"abc")
        for thread in threads: thread.join()
        os.read(er, 1); os.read(pr, 1)
"""

    def __init__(self, test):
        if NUMBERS is None:
            test.skipTest("the numbers of system calls are not known here")
        self.process = subprocess.Popen([sys.executable, "-c", self.SOURCE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        test.addCleanup(self.close)
        self.pid = str(self.process.pid)

    def close(self):
        self.process.kill()
        self.process.communicate()

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        said = [json.loads(self.process.stdout.readline()) for _ in WAITS]
        return {line["name"]: line for line in said}

    def number(self, tid):
        """Of the call that the thread sleeps in; None: it runs, or nobody may know."""
        with open(f"/proc/{self.pid}/task/{tid}/syscall", encoding="ascii") as file:
            word = file.read().split()[0]
        return int(word) if word.lstrip("-").isdigit() else None

    def begin(self):
        """When all of them wait."""
        said = self.tell("begin")
        for line in said.values():
            until(lambda tid=line["tid"]: self.number(tid) in NUMBERS.values(), "it waits")
        return said

    def end(self):
        return self.tell("end")

    def stop_and_go_on(self, said):
        """Stops it in its waits; that of poll is then gone on with by restart_syscall."""
        os.kill(int(self.pid), signal.SIGSTOP)
        for line in said.values():
            until(lambda tid=line["tid"]: self.state(tid) in "Tt", "it is stopped")
        os.kill(int(self.pid), signal.SIGCONT)
        for line in said.values():
            until(lambda tid=line["tid"]: self.state(tid) == "S" and self.number(tid) in NUMBERS.values(), "it waits again")

    def state(self, tid):
        with open(f"/proc/{self.pid}/task/{tid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]


def wait_of(events, said, name):
    """The events of the wait: what the thread did otherwise is left out."""
    names = {"epoll": ("epoll_wait", "epoll_pwait"), "poll": ("poll", "ppoll"), "recv": ("recvfrom",)}[name]
    return [e for e in events if e["tid"] == said[name]["tid"] and e["name"] in names]


class Waits:
    """What holds whoever looks."""

    def trace(self, *arguments):
        return Running("--backend", self.BACKEND, *arguments)

    def traced_through_a_stop(self, waiter):
        """What was begun before the trace, and then stopped, gone on with and ended; and the trace."""
        begun = waiter.begin()
        tracer = self.trace("-p", waiter.pid, "-f", "ndjson")
        waiter.stop_and_go_on(begun)
        waiter.end()
        meta, events, _, _ = lines_of(tracer.finish()[0])
        return begun, meta, events

    def check_bound(self, event, meta, began_ns):
        """Begun before the trace: since a moment between that and the trace's first line."""
        self.assertIsNone(event["duration_ns"], event)
        since = event["time_ns"] - event["before_ns"]
        self.assertGreaterEqual(since, began_ns, event)
        self.assertLessEqual(since, meta["started_ns"], event)

    def test_a_call_that_began_before_the_trace_is_an_event_at_its_end_with_a_bound_of_its_time(self):
        waiter = Waiter(self)
        begun = waiter.begin()
        tracer = self.trace("-p", waiter.pid, "-f", "ndjson")
        ended = waiter.end()
        meta, events, end, _ = lines_of(tracer.finish()[0])
        self.assertEqual(end["lost"], 0)
        for name in WAITS:
            event, = wait_of(events, begun, name)
            self.check_bound(event, meta, begun[name]["ns"])
            self.assertLessEqual(event["time_ns"], ended[name]["ns"])
            self.assertNotIn("unfinished", event)
            self.assertEqual(event["result"], 3 if name == "recv" else 1)
        fds = begun["epoll"]["fds"]
        epoll, = wait_of(events, begun, "epoll")
        self.assertEqual((epoll["fd"], [(r["fd"], r["events"]) for r in epoll["ready"]]), (fds["epoll"], [(fds["ready"], ["IN"])]))
        self.assertEqual(epoll["step"], "ready")
        recv, = wait_of(events, begun, "recv")
        self.assertEqual(recv["fd"], fds["recv"])

    def test_what_is_under_way_when_the_trace_ends_is_unfinished_with_its_arguments(self):
        waiter = Waiter(self)
        begun = waiter.begin()
        tracer = self.trace("-p", waiter.pid, "-f", "ndjson")
        meta, events, end, _ = lines_of(tracer.finish()[0])
        for name in WAITS:
            event, = wait_of(events, begun, name)
            self.assertTrue(event["unfinished"])
            self.assertIsNone(event["result"])
            self.check_bound(event, meta, begun[name]["ns"])
        self.assertEqual(wait_of(events, begun, "recv")[0]["args"]["count"], 10)
        self.assertEqual(wait_of(events, begun, "epoll")[0]["fd"], begun["epoll"]["fds"]["epoll"])
        waiter.end()
        # And one that began in the trace.
        tracer = self.trace("-p", waiter.pid, "-f", "ndjson")
        begun = waiter.begin()
        meta, events, end, _ = lines_of(tracer.finish()[0])
        for name in WAITS:
            event, = wait_of(events, begun, name)
            self.assertTrue(event["unfinished"])
            self.assertNotIn("before_ns", event)
            self.assertGreaterEqual(event["time_ns"] - event["duration_ns"], begun[name]["ns"])
        self.assertEqual(end["events"], len(events))

    def test_several_targets_and_children_alike(self):
        waiters = [Waiter(self) for _ in range(2)]
        begun = [waiter.begin() for waiter in waiters]
        for flags in (["-p", waiters[0].pid, "-p", waiters[1].pid],
                      ["-p", str(os.getpid()), "--follow-forks"]):
            tracer = self.trace(*flags, "-f", "ndjson", "-e", "recvfrom")
            meta, events, _, _ = lines_of(tracer.finish()[0])
            for said in begun:
                event, = wait_of(events, said, "recv")
                self.assertTrue(event["unfinished"])
                self.check_bound(event, meta, said["recv"]["ns"])

    def test_no_call_is_told_twice_when_a_busy_program_is_left(self):
        program = ("import threading, time\nprint(flush=True)\n"
                   "def work():\n  while True: time.sleep(0.0001)\n"
                   "for i in range(10): threading.Thread(target=work).start()\n")
        target = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        self.addCleanup(lambda: (target.kill(), target.communicate()))
        target.stdout.readline()
        for _ in range(5):
            done = tool("trace", "--backend", self.BACKEND, "-p", str(target.pid), "--follow-forks", "-f", "ndjson", "-d",
                        "10ms", "-e", "nanosleep,clock_nanosleep")
            _, events, _, _ = lines_of(done.stdout)
            ended = {}  # threads
            for event in events:
                self.assertNotIn(event["tid"], ended, f"{ended.get(event['tid'])} and {event}")
                if event.get("unfinished"):
                    ended[event["tid"]] = event
                elif event["duration_ns"] is not None:
                    self.assertNotIn("before_ns", event)

    def test_a_summary_counts_them_and_has_their_times_apart(self):
        waiter = Waiter(self)
        begun = waiter.begin()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out")
            tracer = self.trace("-p", waiter.pid, "--summary", "--json", "-o", path, "-e", "recvfrom,epoll_wait,epoll_pwait")
            tracer.process.send_signal(signal.SIGUSR1)  # nothing has happened yet but that they wait
            so_far = ""
            while f"seen by {self.BACKEND}" not in so_far:
                line = tracer.process.stderr.readline()
                self.assertTrue(line, so_far)
                so_far += line
            self.assertRegex(so_far, r"recvfrom +1 +0 ns +1 unfinished, longest [^;]*; 1 began before, >= ")
            waiter.end()
            begun = waiter.begin()
            tracer.finish()
            with open(path, encoding="utf-8") as file:
                calls = json.load(file)["syscalls"]
        self.assertEqual(len(calls), 2)
        for row in calls.values():
            # One that began before, and one that has not returned.
            self.assertEqual((row["count"], row["before"], row["unfinished"]), (2, 1, 1))
            self.assertGreater(row["before_ns"], 0)
            self.assertGreater(row["longest_unfinished_ns"], 0)
            self.assertEqual((row["total_ns"], row["duration_ns"]), (0, None))

    def test_a_flight_recorder_says_what_is_under_way_when_it_is_asked(self):
        waiter = Waiter(self)
        begun = waiter.begin()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out")
            tracer = self.trace("-p", waiter.pid, "--ring", "1Mi", "-f", "ndjson", "-o", path)
            tracer.process.send_signal(signal.SIGUSR1)
            until(lambda: os.path.exists(path), "a recording")
            with open(path, encoding="utf-8") as file:
                meta, events, end, _ = lines_of(file.read())
            for name in WAITS:
                event, = wait_of(events, begun, name)
                self.assertTrue(event["unfinished"])
                self.check_bound(event, meta, begun[name]["ns"])
            self.assertEqual(end["events"], len(events))
            waiter.end()
            tracer.finish()
            with open(path, encoding="utf-8") as file:
                _, events, end, _ = lines_of(file.read())
            # What was shown was no event: each wait is there once, and over.
            for name in WAITS:
                event, = wait_of(events, begun, name)
                self.assertNotIn("unfinished", event)
            self.assertEqual(end["events"], len(events))


@unittest.skipUnless(works("ebpf"), "no eBPF here")
class Ebpf(Waits, unittest.TestCase):
    BACKEND = "ebpf"

    def test_a_wait_that_goes_on_after_a_stop_keeps_its_name_whenever_the_stop_was(self):
        waiter = Waiter(self)
        begun, _, events = self.traced_through_a_stop(waiter)
        self.assertEqual(wait_of(events, begun, "poll")[-1]["result"], 1)
        if "poll" in NUMBERS:  # ppoll begins anew instead
            first, second = wait_of(events, begun, "poll")
            self.assertEqual((first["result"], first["args"]["nfds"], second["args"]["nfds"]), (-516, 1, 1))
            self.assertIsNone(first["duration_ns"])
            self.assertGreater(second["time_ns"] - second["duration_ns"], first["time_ns"])
        # Now the stop comes first.
        begun = waiter.begin()
        waiter.stop_and_go_on(begun)
        if "poll" in NUMBERS:
            self.assertEqual(waiter.number(begun["poll"]["tid"]), NUMBERS["restart_syscall"])
        tracer = self.trace("-p", waiter.pid, "-f", "ndjson")
        waiter.end()
        meta, events, _, _ = lines_of(tracer.finish()[0])
        for name in WAITS:
            event, = wait_of(events, begun, name)
            self.check_bound(event, meta, begun[name]["ns"])
            self.assertGreater(event["result"], 0)

    def test_every_format_has_them(self):
        waiter = Waiter(self)
        begun = waiter.begin()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace")
            tracer = self.trace("-p", waiter.pid, "-f", "ndjson", "-o", path)
            waiter.end()
            begun_late = waiter.begin()
            tracer.finish()
            with open(path, encoding="utf-8") as file:
                meta, events, _, lines = lines_of(file.read())
            copy = [json.loads(line) for line in tool("export", path, "-f", "ndjson").stdout.splitlines()]
            self.assertEqual(copy, lines)
            text = tool("export", path, "-f", "text").stdout
            self.assertRegex(text, r"recvfrom fd=\d+.* = 3  <began before, >= ")
            self.assertRegex(text, r"recvfrom fd=\d+ count=10 flags=0x0  <unfinished, \d")
            chrome = json.loads(tool("export", path, "-f", "chrome").stdout)
            slices = [e for e in chrome["traceEvents"] if e.get("name") == "recvfrom" and e.get("ph") == "X"]
            early, = (e for e in slices if e["tid"] == begun["recv"]["tid"])
            event, = wait_of(events, begun, "recv")
            self.assertEqual(early["args"]["began"], "before the trace")
            self.assertAlmostEqual(early["dur"], event["before_ns"] / 1000, delta=1)
            late, = (e for e in slices if e["tid"] == begun_late["recv"]["tid"])
            event, = wait_of(events, begun_late, "recv")
            self.assertAlmostEqual(late["dur"], event["duration_ns"] / 1000, delta=1)
            for name in ("perfetto", "speedscope", "html"):
                out = os.path.join(folder, name)
                tool("export", path, "-f", name, "-o", out)
                self.assertGreater(os.path.getsize(out), 100)


@unittest.skipUnless(works("ptrace"), "no ptrace here")
@unittest.skipUnless(platform.machine() == "x86_64", "ptrace cannot tell waits under way on this architecture")
class Ptrace(Waits, unittest.TestCase):
    BACKEND = "ptrace"

    def test_a_wait_that_goes_on_after_a_stop_is_one_call(self):
        begun, meta, events = self.traced_through_a_stop(Waiter(self))
        event, = wait_of(events, begun, "poll")
        self.assertEqual(event["result"], 1)
        self.check_bound(event, meta, begun["poll"]["ns"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
