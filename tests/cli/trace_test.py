#!/usr/bin/env python3
"""trace against independent truth: trace_test.py BINARY KNOWN_CALLS

strace sees the same calls with the same results in the same order; run counts the same tracepoints; what finds no room
is counted to the last event; nothing stays in the kernel.
"""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from programs import PATIENCE, until  # noqa: E402
from traces import BINARY, CALLS, InKernel, Running, Server, lines_of, tool, traced, works  # noqa: E402

KNOWN_CALLS = os.path.abspath(sys.argv[2])


def gone(cgroup):
    try:
        os.rmdir(cgroup)
    except OSError:
        return False
    return True


def state_of(pid):
    """"S": it sleeps (proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


def compare_with_strace(test, calls, *flags):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "strace")
        done = subprocess.run(["strace", "-e", "trace=" + calls, "-o", path, KNOWN_CALLS, "polls", "io"],
                              capture_output=True, timeout=PATIENCE)
        if done.returncode != 0:
            test.skipTest("strace may not trace here")
        with open(path, encoding="utf-8") as file:
            witness = []
            for line in file:
                found = re.match(r"(\w+)\((\w*).* = (-?\d+)(?: (E\w+))?", line)
                if found:
                    name, _, result, error = found.groups()
                    witness.append((name, error or int(result)))
    _, events, end, _ = traced(KNOWN_CALLS, "polls", "io", flags=("-e", calls, *flags))
    ours = [(e["name"], e.get("error", e["result"])) for e in events if e["kind"] == "syscall" and "unfinished" not in e]
    test.assertGreater(len(witness), 20)
    test.assertEqual(ours, witness)
    test.assertEqual(end["lost"], 0)


def threads_forks_and_a_death(test, *flags):
    program = ("import os, select, threading\n"
               "e = select.epoll()\n"
               "threading.Thread(target=e.poll, daemon=True).start()\n"
               "pid = os.fork()\n"
               "if pid == 0: os.execv('/bin/true', ['true'])\n"
               "os.waitpid(pid, 0)\n"
               "import time; time.sleep(0.1); os._exit(7)\n")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out")
        done = tool("trace", *flags, "-f", "ndjson", "-o", path, "--", sys.executable, "-c", program, ok=7)
        with open(path, encoding="utf-8") as file:
            _, events, end, _ = lines_of(file.read())
    test.assertEqual(done.returncode, 7)
    test.assertEqual(end["exit"], {"code": 7, "signal": None})
    fork = next(e for e in events if e["name"] == "fork")
    child = fork["args"]["child"]
    test.assertEqual([e["name"] for e in events if e["pid"] == child and e["kind"] == "process"][:1], ["exec"])
    # The kernel may let the call return before it ends the thread.
    waiting = [e for e in events if e["name"].startswith("epoll_") and (e.get("unfinished") or e.get("error") == "EINTR")]
    test.assertEqual(len(waiting), 1)
    test.assertGreater(waiting[0]["duration_ns"], 50_000_000)


def times_of_one_clock(test, backend):
    """In a time namespace, whose CLOCK_MONOTONIC is another than the kernel's own by which eBPF looks at the time."""
    apart = ["unshare", "--time", "--monotonic", "1000000", "--boottime", "1000000", "--fork"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True).returncode != 0:
        test.skipTest("no time namespace may be made here")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out")
        subprocess.run([*apart, BINARY, "trace", "--backend", backend, "-f", "ndjson", "-o", path, "--", "cat", "/dev/null"],
                       capture_output=True, timeout=PATIENCE, check=True)
        with open(path, encoding="utf-8") as file:
            meta, events, end, _ = lines_of(file.read())
    test.assertGreater(meta["started_ns"], 1_000_000_000_000_000)
    test.assertGreater(len(events), 2)
    for event in events:
        test.assertGreaterEqual(event["time_ns"], meta["started_ns"])
        test.assertLessEqual(event["time_ns"], meta["started_ns"] + end["duration_ns"])
        test.assertLessEqual(event.get("duration_ns", 0), end["duration_ns"])


@unittest.skipUnless(works("ebpf"), "no eBPF here")
class Ebpf(InKernel):
    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_the_same_calls_as_strace_sees_with_the_same_results_in_the_same_order(self):
        compare_with_strace(self, CALLS)

    def test_times_of_events_and_of_the_trace_are_of_one_clock(self):
        times_of_one_clock(self, "ebpf")

    def test_every_tracepoint_of_a_run_is_an_event(self):
        # The tool that runs the workload is itself the libruntime program that is traced.
        with tempfile.TemporaryDirectory() as folder:
            counts = os.path.join(folder, "run.json")
            _, events, end, _ = traced(BINARY, "run", "echo", "--conns", "2", "--ops", "500", "--backend", "self", "-o",
                                       counts, "--json", flags=("-e", "tracepoints"))
            self.assertEqual(end["lost"], 0)
            with open(counts, encoding="utf-8") as file:
                expected = json.load(file)["tracepoints"]
        # The load is no program of libruntime.
        seen = {}
        for event in events:
            if event["kind"] == "tracepoint":
                of = seen.setdefault(event["pid"], {})
                of[event["name"]] = of.get(event["name"], 0) + 1
        self.assertEqual(len(seen), 1)
        (server, counted), = seen.items()
        self.assertEqual(counted, {name: row["count"] for name, row in expected.items() if row and row["count"]})
        runs = [e for e in events if e["pid"] == server and e.get("step") == "run"]
        self.assertTrue(any("network_wait_ns" in e and "cpu_wait_ns" in e for e in runs))

    def test_processes_of_a_cgroup_are_traced_those_that_enter_it_later_too(self):
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            roots = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
        folder = os.path.join(roots[0], f"netpoll-trace-test-{os.getpid()}") if roots else None
        try:
            os.mkdir(folder)
        except (OSError, TypeError):
            self.skipTest("no cgroup v2 may be made here")
        try:
            with Server() as server:
                with open(folder + "/cgroup.procs", "w", encoding="utf-8") as members:
                    members.write(server.pid)
                client = server.connect()  # before we come
                client.sendall(b"a")
                client.recv(10)
                tracer = Running("--cgroup", folder, "-f", "ndjson")
                client.sendall(b"b")
                self.assertEqual(client.recv(10), b"b")
                with Server() as newcomer:
                    with open(folder + "/cgroup.procs", "w", encoding="utf-8") as members:
                        members.write(newcomer.pid)
                    with newcomer.connect() as other:
                        other.sendall(b"c")
                        self.assertEqual(other.recv(10), b"c")
                    subprocess.run(["cat", "/dev/null"], check=True)  # is not in it
                    out, _, _ = tracer.finish()
                    meta, events, end, _ = lines_of(out)
                    self.assertEqual({e["pid"] for e in events}, {int(server.pid), int(newcomer.pid)})
                    self.assertEqual(end["lost"], 0)
                    self.assertIsNone(meta["target"])
                    self.assertEqual(meta["cgroups"], [folder[len(roots[0]):]])
                    peer = "127.0.0.1:%d" % client.getsockname()[1]
                    self.assertIn(peer, {e.get("peer") for e in events})
                client.close()
        finally:
            until(lambda: gone(folder), "the cgroup is empty and can be removed")
        done = tool("trace", "--cgroup", "/", "--backend", "self", "-d", "10ms", ok=3)
        self.assertIn("need eBPF", done.stderr)

    def test_the_story_of_a_connection_of_a_running_server(self):
        with Server() as server:
            old = server.connect()  # before we come
            old.sendall(b"a")
            old.recv(10)
            tracer = Running("-p", server.pid, "-f", "ndjson")
            old.sendall(b"b")
            self.assertEqual(old.recv(10), b"b")
            new = server.connect()
            new.sendall(b"c")
            self.assertEqual(new.recv(10), b"c")
            peer = "%s:%d" % new.getsockname()
            new.close()
            until(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) <= 6, "the server closed its side")
            out, _, status = tracer.finish()
        self.assertEqual(status, 130)
        meta, events, end, _ = lines_of(out)
        self.assertEqual(meta["schema"], "netpoll-trace/trace/v1")
        self.assertTrue(end["interrupted"])
        mine = [e for e in events if e.get("peer") == peer]
        self.assertEqual([e["step"] for e in mine if "step" in e][:2], ["register", "run"])
        self.assertIn("close", [e.get("step") for e in mine])
        first_read = next(e for e in mine if e["name"] == "recvfrom")
        self.assertIn("cpu_wait_ns", first_read)
        reported = {r["fd"] for e in events for r in e.get("ready", [])}
        self.assertNotIn(None, reported)  # also what was registered before
        before = next(e for e in events if e.get("peer") == "%s:%d" % old.getsockname())
        self.assertEqual(before["name"], "recvfrom")
        old.close()

    def test_several_processes_by_number_or_name_are_one_stream(self):
        name = f"srv{os.getpid()}"
        with Server(name) as one, Server(name) as two, Server() as three:
            for flags, servers in ((["-p", one.pid, "-p", three.pid], (one, three)), (["--comm", name], (one, two))):
                tracer = Running(*flags, "-f", "ndjson")
                peers = {}
                for server in (one, two, three):
                    with server.connect() as client:
                        peers[int(server.pid)] = "127.0.0.1:%d" % client.getsockname()[1]
                        client.sendall(b"x")
                        self.assertEqual(client.recv(10), b"x")
                out, _, _ = tracer.finish()
                meta, events, end, _ = lines_of(out)
                pids = {int(server.pid) for server in servers}
                self.assertEqual({target["pid"] for target in meta["targets"]}, pids)
                self.assertIsNone(meta["target"])
                self.assertEqual({e["pid"] for e in events}, pids)
                self.assertEqual({(e["pid"], e["peer"]) for e in events if e["name"] == "sendto"},
                                 {(pid, peers[pid]) for pid in pids})
                self.assertEqual(end["lost"], 0)

    def test_two_tracers_of_one_server_see_the_same(self):
        with Server() as server:
            tracers = [Running("-p", server.pid, "-f", "ndjson", "-e", "accept4,recvfrom,sendto") for _ in range(2)]
            with server.connect() as client:
                for _ in range(21):
                    client.sendall(b"x")
                    self.assertEqual(client.recv(10), b"x")
                outs = [lines_of(tracer.finish()[0]) for tracer in tracers]
            # Of the last exchange who leaves first may not see the end.
            seen = [[(e["name"], e["fd"], e["result"], e.get("peer")) for e in events[:41]] for _, events, _, _ in outs]
            self.assertEqual([e[0] for e in seen[0]], ["accept4"] + ["recvfrom", "sendto"] * 20)
            self.assertEqual(seen[0], seen[1])

    def test_a_running_target_that_becomes_another_program_is_followed(self):
        target = subprocess.Popen(["sh", "-c", "read line; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            tracer = Running("-p", str(target.pid), "-f", "ndjson", "-e", "read,write")
            target.stdin.write(b"first\nsecond\n")
            target.stdin.flush()
            self.assertEqual(target.stdout.readline(), b"second\n")
            target.stdin.close()
            target.wait(timeout=PATIENCE)
            out, err = tracer.process.communicate(timeout=PATIENCE)
            self.assertEqual(tracer.process.returncode, 0, err)
        finally:
            target.kill()
            target.wait()
            target.stdout.close()
        _, events, end, _ = lines_of(out)
        self.assertTrue(end["target_ended"])
        names = [e["name"] for e in events if e["kind"] == "process"]
        self.assertEqual(names, ["exec", "exit"])
        after = events[[e["name"] for e in events].index("exec"):]
        self.assertIn(("write", 7), [(e["name"], e["result"]) for e in after if e["kind"] == "syscall"])

    def test_threads_forks_and_a_death_in_a_call(self):
        threads_forks_and_a_death(self)

    def test_until_stops_after_the_event(self):
        program = "import os\nr, w = os.pipe()\nos.write(w, b'12345678901')\nos.read(r, 100)\nos.write(w, b'z')\n"
        _, events, _, _ = traced(sys.executable, "-c", "import time\n" + program + "time.sleep(100)\n",
                                 flags=("-e", "write", "--until", "result == 11"))
        self.assertEqual(events[-1]["result"], 11)

    def test_json_of_a_stream_is_lines(self):
        done = tool("trace", "--json", "-o", "-", "-e", "close", "--", "true")
        meta, events, end, _ = lines_of(done.stdout)
        self.assertEqual((meta["type"], end["type"], end["events"]), ("meta", "end", len(events)))

    def test_filters_leave_the_rest_out(self):
        _, events, _, _ = traced(KNOWN_CALLS, "io", flags=("--errors",))
        self.assertTrue(all(e["result"] < 0 and e["error"] != "EAGAIN" for e in events))
        _, every, _, _ = traced(KNOWN_CALLS, "io", flags=("-e", "read"))
        _, some, end, _ = traced(KNOWN_CALLS, "io", flags=("-e", "read", "--sample", "3"))
        self.assertEqual(len(some), -(-len(every) // 3))
        self.assertEqual({e["name"] for e in every if e["kind"] == "syscall"}, {"read"})
        self.assertGreater(end["seen"], end["events"])


@unittest.skipUnless(works("ptrace"), "no ptrace here")
class Ptrace(unittest.TestCase):
    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_the_same_calls_as_strace_sees_with_the_same_results_in_the_same_order(self):
        compare_with_strace(self, CALLS, "--backend", "ptrace")
        compare_with_strace(self, CALLS, "--backend", "ptrace", "--kill-on-exit")

    def test_times_of_events_and_of_the_trace_are_of_one_clock(self):
        times_of_one_clock(self, "ptrace")

    def test_a_command_that_may_end_with_us_stops_at_calls_of_the_stream_alone_and_takes_along_what_it_started(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pid")
            meta, events, end, _ = traced("/bin/sh", "-c", f"sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >{path}",
                                          flags=("--backend", "ptrace", "--kill-on-exit", "-e", "write"))
            with open(path, encoding="ascii") as file:
                pid = int(file.read())
        until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of the sleeper")
        self.assertIn("seccomp", meta["probe"]["overhead_note"])
        self.assertIn("write", [e["name"] for e in events])
        self.assertIn(pid, [e["args"]["child"] for e in events if e["name"] == "fork"])
        self.assertEqual(end["exit"], {"code": 0, "signal": None})
        # After -d it is asked to end, and may say how.
        _, _, end, _ = traced("/bin/sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done",
                              flags=("--backend", "ptrace", "--kill-on-exit", "-d", "300ms"))
        self.assertEqual(end["exit"], {"code": 5, "signal": None})
        self.assertIn("--kill-on-exit", tool("trace", "--kill-on-exit", "-p", str(os.getpid()), ok=2).stderr)

    def test_the_story_of_a_running_server_which_is_left_as_it_was(self):
        with Server() as server:
            old = server.connect()  # before we come
            old.sendall(b"a")
            old.recv(10)
            tracer = Running("-p", server.pid, "-f", "ndjson", "--backend", "ptrace")
            old.sendall(b"b")
            self.assertEqual(old.recv(10), b"b")
            client = server.connect()
            client.sendall(b"b")
            self.assertEqual(client.recv(10), b"b")
            time.sleep(0.05)
            client.sendall(b"c")
            self.assertEqual(client.recv(10), b"c")
            deadline = time.monotonic() + PATIENCE
            while state_of(server.pid) != "S" and time.monotonic() < deadline:
                time.sleep(0.01)  # it comes back to its wait, which then is under way as we leave
            out, err, status = tracer.finish()
            self.assertEqual(status, 130, err)
            meta, events, end, _ = lines_of(out)
            self.assertEqual(meta["probe"]["backend"], "ptrace")
            self.assertEqual(end["lost"], 0)
            peers = ["127.0.0.1:%d" % c.getsockname()[1] for c in (old, client)]
            accepted = [e for e in events if e["name"] == "accept4" and e["result"] >= 0]
            self.assertEqual(len(accepted), 1)
            reads = [e for e in events if e["name"] == "recvfrom"]
            self.assertEqual([e["peer"] for e in reads], [peers[0], peers[1], peers[1]])
            ready = [e for e in events if e.get("ready")]
            self.assertEqual([entry["fd"] for e in ready for entry in e["ready"]],
                             [reads[0]["fd"], accepted[0]["fd"], accepted[0]["result"], accepted[0]["result"]])
            self.assertEqual(reads[2]["step"], "run")
            self.assertGreater(reads[2]["network_wait_ns"], 40_000_000)
            self.assertTrue(any(e.get("unfinished") and e["name"].startswith("epoll_") for e in events))
            # Nobody traces it any more, and it works.
            with open(f"/proc/{server.pid}/status", encoding="utf-8") as file:
                self.assertIn("TracerPid:\t0", file.read())
            old.sendall(b"d")
            self.assertEqual(old.recv(10), b"d")
            old.close()
            client.close()

    def test_threads_forks_and_a_death_in_a_call(self):
        threads_forks_and_a_death(self, "--backend", "ptrace")
        threads_forks_and_a_death(self, "--backend", "ptrace", "--kill-on-exit")

    def test_what_finds_no_room_is_counted(self):
        program = "import os\nr, w = os.pipe()\nfor i in range(5000): os.write(w, b'x'); os.read(r, 1)\n"
        _, events, end, lines = traced(sys.executable, "-c", program,
                                       flags=("--backend", "ptrace", "--buffer", "4Ki", "-e", "read,write"))
        said = [line for line in lines if line["type"] == "lost"]
        self.assertGreater(len(said), 0)
        self.assertEqual({line["where"] for line in said}, {"tracer"})
        self.assertEqual(end["lost"], sum(line["count"] for line in said))
        _, _, complete, _ = traced(sys.executable, "-c", program, flags=("--backend", "ptrace", "-e", "read,write"))
        self.assertEqual(complete["lost"], 0)
        self.assertLess(abs(end["seen"] + end["lost"] - complete["seen"]), 500)

    def test_who_has_no_privileges_traces_by_ptrace_and_is_told_why(self):
        if os.getuid() != 0:
            self.skipTest("only root can become somebody else")
        done = subprocess.run([BINARY, "trace", "-f", "ndjson", "-o", "-", "-e", "read,write", "--", "cat", "/dev/null"],
                              capture_output=True, text=True, timeout=PATIENCE, user=65534, group=65534, extra_groups=[],
                              cwd="/")
        if done.returncode != 0 and "Permission denied" in done.stderr:
            self.skipTest("nobody cannot reach the tool here")
        self.assertEqual(done.returncode, 0, done.stderr)
        meta, events, end, _ = lines_of(done.stdout)
        self.assertEqual(meta["probe"]["backend"], "ptrace")
        self.assertTrue(meta["probe"]["passed_over"][0].startswith("ebpf: "), meta["probe"])
        self.assertIn(("read", 0), [(e["name"], e["result"]) for e in events if e["kind"] == "syscall"])
        self.assertEqual((end["lost"], end["exit"]), (0, {"code": 0, "signal": None}))

    def test_who_is_traced_already_is_said(self):
        with Server() as server:
            first = Running("-p", server.pid, "-f", "ndjson", "--backend", "ptrace")
            done = tool("trace", "-p", server.pid, "--backend", "ptrace", ok=3)
            self.assertIn("traces it already", done.stderr)
            first.finish()


class Self(unittest.TestCase):
    def test_rings_need_no_privilege_and_tell_the_story_by_goroutine(self):
        server = subprocess.Popen([BINARY, "run", "echo", "--serve", "127.0.0.1:0", "--backend", "none"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            said = ""
            while not (found := re.search(r"pid (\d+).*?127\.0\.0\.1:(\d+)", said, re.S)):
                line = server.stderr.readline()
                self.assertTrue(line, said)
                said += line
            pid, port = found.groups()
            tracer = Running("-p", pid, "--backend", "self", "-f", "ndjson")
            process = tracer.process
            poller = select.poll()
            poller.register(process.stdout, select.POLLIN)
            with socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE):
                self.assertTrue(poller.poll(PATIENCE * 1000))
                time.sleep(0.05)
            out, _, status = tracer.finish()
            self.assertEqual(status, 130)
            meta, events, end, _ = lines_of(out)
            self.assertEqual(meta["probe"]["backend"], "self")
            self.assertEqual(end["lost"], 0)
            self.assertEqual({e["kind"] for e in events}, {"tracepoint"})
            self.assertLessEqual({"go_create", "park", "run"}, {e["name"] for e in events})
            times = [e["time_ns"] for e in events]
            self.assertEqual(times, sorted(times))
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=PATIENCE)

    def test_what_it_cannot_do_is_said(self):
        sleeper = subprocess.Popen(["sleep", "300"])
        try:
            done = tool("trace", "-p", str(sleeper.pid), "--backend", "self", ok=3)
            self.assertIn("not a libruntime program", done.stderr)
            done = tool("trace", "-p", str(sleeper.pid), "--backend", "none", ok=3)
            self.assertIn("none cannot stream", done.stderr)
        finally:
            sleeper.kill()
            sleeper.wait()
        self.assertIn("trace needs a process or a command", tool("trace", ok=2).stderr)
        self.assertIn("cannot show this", tool("trace", "-f", "debug1", "--", "true", ok=2).stderr)
        self.assertIn("out of range", tool("trace", "--buffer", "1", "--", "true", ok=2).stderr)
        self.assertIn("exclude each other", tool("trace", "--summary", "--ring", "1M", "--", "true", ok=2).stderr)
        self.assertIn("cannot show this", tool("trace", "--summary", "-f", "text", "--", "true", ok=2).stderr)
        self.assertIn("hint: there is no such file", tool("trace", "--", "/nonexistent", ok=127).stderr)
        self.assertIn("hint: no 'nonexistent' in PATH", tool("trace", "--", "nonexistent", ok=127).stderr)
        self.assertIn("hint: is it an executable file?", tool("trace", "--", "/etc/passwd", ok=126).stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
