#!/usr/bin/env python3
"""stat on real servers and hard programs: real_servers_test.py BINARY TRACED KNOWN_CALLS ECHO_GO BUILD

Counts of a server depend on timing, so two runs cannot be compared. Here every program runs once, and two look at it:
`stat --per-process` by eBPF counts a witness and what the witness started, and the witness, `strace -c -f` or `stat`
by another back end, counts the same processes in the same run. Call by call, their figures must be equal.
"""

import json
import os
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
from checks import run_test_cases  # noqa: E402
from programs import PATIENCE, free_port, until  # noqa: E402

BINARY, TRACED, KNOWN_CALLS, ECHO_GO, BUILD = sys.argv[1:6]
BUILD = os.path.abspath(BUILD)
# An end from outside, by a signal or by another thread, finds threads in these: eBPF sees them return with an error,
# a tracer's stop is skipped by the kernel (ptrace_stop in kernel/signal.c).
WAITS = ("epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6", "futex", "nanosleep",
         "clock_nanosleep", "read")


def works(*arguments):
    return subprocess.run([BINARY, "stat", "-q", "-o", "/dev/null", *arguments, "--", "/bin/true"],
                          capture_output=True, timeout=PATIENCE).returncode == 0


def strace_works():
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-c", "-o", "/dev/null", "/bin/true"], capture_output=True).returncode == 0


def connect(port):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def ask(connection, question, answer_bytes):
    connection.sendall(question)
    got = b""
    while len(got) < answer_bytes:
        piece = connection.recv(answer_bytes - len(got))
        if not piece:
            raise AssertionError(f"the connection ended after {got!r}")
        got += piece
    return got


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def comm_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def sleeps(pid):
    """In a call; not in a stop for a tracer."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "S"


def descendant(pid, comm):
    """The first process of this name below pid."""
    for child in children_of(pid):
        found = child if comm_of(child) == comm else descendant(child, comm)
        if found:
            return found
    return None


def strace_table(path):
    """name -> (calls, errors) of what -c wrote."""
    table = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if len(fields) in (5, 6) and fields[0][0].isdigit() and fields[-1] != "total":
                table[fields[-1]] = (int(fields[3]), int(fields[4]) if len(fields) == 6 else 0)
    return table


def stat_table(path):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    assert document["probe"]["lost"] == 0, document["probe"]
    if document["probe"]["backend"] == "perf":  # sees calls begin, and not what they return
        return {name: (row["count"], None) for name, row in document["syscalls"].items() if row["count"]}
    return {name: (row["returned"], sum(row["errors"].values())) for name, row in document["syscalls"].items()
            if row["returned"]}


class Watched:
    """A program under a witness under eBPF."""

    def __init__(self, witness, *command):
        self.folder = tempfile.TemporaryDirectory()
        self.outer, self.inner = (os.path.join(self.folder.name, name) for name in ("outer", "inner"))
        if witness == "strace":
            inner = ["strace", "-c", "-f", "-q", "-o", self.inner]
        else:
            inner = [BINARY, "stat", "-q", "--json", "--backend", *witness.split(), "-o", self.inner, "--"]
        self.witness = witness
        outer = [BINARY, "stat", "-q", "--json", "--backend", "ebpf", "--per-process", "-o", self.outer, "--"]
        self.process = subprocess.Popen([*outer, *inner, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)

    def line(self):
        return self.process.stdout.readline().decode()

    def find(self, comm):
        until(lambda: descendant(self.process.pid, comm), f"a process {comm}")
        return descendant(self.process.pid, comm)

    def tables(self):
        """Of eBPF and of the witness, name -> (calls, errors), of what they both count."""
        output, _ = self.process.communicate(timeout=PATIENCE)
        self.said = output.decode(errors="replace")
        with open(self.outer, encoding="utf-8") as file:
            outer = json.load(file)
        assert outer["probe"]["lost"] == 0, outer["probe"]
        seen = {}
        for row in outer["groups"]["rows"]:
            if row["pid"] == outer["target"]["pid"]:
                continue
            for name, call in row["syscalls"].items():
                calls, errors = seen.get(name, (0, 0))
                seen[name] = (calls + call["count"], errors + call["errors"])
        # Calls to be gone on with, in a thread that had come to its end: no call of a group.
        self.never_went_on = {name: row["errors"].get("ERESTART_RESTARTBLOCK", 0)
                              for name, row in outer["syscalls"].items()}
        table = strace_table(self.inner) if self.witness == "strace" else stat_table(self.inner)
        counted = set(outer["syscalls"]) | set(seen) | {"restart_syscall"}
        self.folder.cleanup()
        return seen, {name: row for name, row in table.items() if name in counted}


@unittest.skipUnless(works("--backend", "ebpf"), "no eBPF here")
class Witnessed:
    """The tests; a class for each witness."""

    WITNESS = ""

    @classmethod
    def setUpClass(cls):
        # What the witness itself does in the child that is to become the program, before its exec.
        ours, theirs = Watched(cls.WITNESS, "/bin/true").tables()
        cls.before_exec = {name: ours[name][0] - theirs.get(name, (0, 0))[0] for name in ours}

    def compare(self, watched, at_least, threads=0):
        """threads: that may be in a call as the process ends. We count it; a tracer is not told that it returned."""
        ours, theirs = watched.tables()
        # strace takes a sleep that a signal interrupted and that went on for two calls; the program made one.
        restarts, _ = theirs.pop("restart_syscall", (0, 0))
        for name in sorted(set(ours) | set(theirs)):
            with self.subTest(call=name):
                calls, errors = ours.get(name, (0, 0))
                their_calls, their_errors = theirs.get(name, (0, 0))
                calls -= self.before_exec.get(name, 0)
                if their_errors is None:
                    self.assertLessEqual(calls, their_calls)
                    self.assertLessEqual(their_calls, calls + watched.never_went_on.get(name, 0))
                elif calls > their_calls and (name in WAITS or threads > 0):
                    self.assertIn(errors - their_errors, range(calls - their_calls + 1), "cut short by an end")
                    threads -= 0 if name in WAITS else calls - their_calls
                    self.assertGreaterEqual(threads, 0)
                elif name in WAITS and their_calls == calls + 1:
                    # Ended at the tracer's stop before the call, which the kernel then does not begin and no tracepoint
                    # tells of (syscall_trace_enter in kernel/entry/common.c).
                    self.assertIn(their_errors - errors, (0, 1))
                elif name in WAITS and their_errors > errors:
                    restarts -= their_errors - errors
                    self.assertEqual(calls, their_calls)
                    self.assertGreaterEqual(restarts, 0)
                else:
                    self.assertEqual((calls, errors), (their_calls, their_errors))
        for name, calls in at_least.items():
            self.assertGreaterEqual(ours.get(name, (0, 0))[0], calls, f"{name}: {watched.said}")
        return ours

    def redis(self):
        port = free_port()
        watched = Watched(self.WITNESS, "redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1")
        connections = [connect(port) for _ in range(10)]
        for connection in connections:
            self.addCleanup(connection.close)
        for i in range(500):
            self.assertEqual(ask(connections[i % 10], b"PING\r\n", 7), b"+PONG\r\n")
        return watched, connections

    @unittest.skipUnless(shutil.which("redis-server"), "no redis-server")
    def test_redis(self):
        watched, connections = self.redis()
        connections[0].sendall(b"SHUTDOWN NOSAVE\r\n")
        self.compare(watched, {"read": 500, "write": 500, "accept4": 10, "epoll_ctl": 10, "epoll_wait": 1}, threads=8)

    @unittest.skipUnless(shutil.which("redis-server"), "no redis-server")
    def test_redis_killed_in_the_middle(self):
        watched, _ = self.redis()
        pid = watched.find("redis-server")
        # A tracer learns of a call only when the stop behind it is over: until then a kill makes it vanish.
        until(lambda: sleeps(pid), "redis sleeps")
        os.kill(pid, signal.SIGKILL)
        self.compare(watched, {"read": 500, "write": 500, "accept4": 10})

    @unittest.skipUnless(shutil.which("nginx"), "no nginx")
    def test_nginx_with_two_workers_and_a_reload(self):
        with Nginx() as nginx:
            watched = Watched(self.WITNESS, *nginx.command())
            nginx.ask(40)
            nginx.reload()
            nginx.ask(40)
            nginx.stop()
            self.compare(watched, {"accept4": 80, "epoll_wait": 1, "recvfrom": 80})

    @unittest.skipUnless(shutil.which("go"), "no Go")
    def test_a_go_server(self):
        watched = Watched(self.WITNESS, go_echo(), "-procs", "2")
        port = int(watched.line().split()[0].rsplit(":", 1)[1])
        connections = [connect(port) for _ in range(10)]
        for i in range(500):
            self.assertEqual(ask(connections[i % 10], b"abc", 3), b"abc")
        for connection in connections:
            connection.close()
        self.compare(watched, {"read": 500, "write": 500, "accept4": 10, "epoll_pwait": 1}, threads=8)

    def test_a_server_that_forks_for_each_connection(self):
        program = ("import socketserver\n"
                   "class H(socketserver.BaseRequestHandler):\n"
                   "    def handle(self): self.request.sendall(self.request.recv(100))\n"
                   "s = socketserver.ForkingTCPServer(('127.0.0.1', 0), H)\n"
                   "print(s.server_address[1], flush=True)\n"
                   "for i in range(12): s.handle_request()\n"
                   "s.server_close()\n")
        watched = Watched(self.WITNESS, sys.executable, "-c", program)
        port = int(watched.line())
        for _ in range(12):
            with connect(port) as connection:
                self.assertEqual(ask(connection, b"abc", 3), b"abc")
        self.compare(watched, {"recvfrom": 12, "sendto": 12, "accept4": 12})

    def test_a_program_that_a_second_thread_executes(self):
        self.compare(Watched(self.WITNESS, TRACED, "thread-exec", KNOWN_CALLS, "polls", "io"), {"epoll_ctl": 1})

    def test_eight_threads_at_once_and_32_in_turn(self):
        self.compare(Watched(self.WITNESS, TRACED, "crowd"), {"epoll_pwait": 8 * 500 + 32 * 20})

    def test_32_threads_at_once(self):
        watched = Watched(self.WITNESS, TRACED, "hammer", "32")
        self.assertEqual(watched.line(), "ready\n")
        time.sleep(0.2)
        self.compare(watched, {"epoll_pwait": 32})

    def test_a_process_whose_first_thread_has_left(self):
        watched = Watched(self.WITNESS, TRACED, "leaderless")
        self.assertEqual(watched.line(), "ready\n")
        time.sleep(0.1)
        self.compare(watched, {"epoll_pwait": 1})


class Nginx:
    """Two workers on a port of their own; answers are three bytes long and close the connection."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o755)
        self.port = free_port()
        self.asked = 0
        temporary = "".join(f"{kind}_temp_path {self.folder.name}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"daemon off;\nworker_processes 2;\nworker_shutdown_timeout 5s;\npid {self.folder.name}/pid;\n"
                       f"error_log stderr crit;\nevents {{ worker_connections 100; }}\n"
                       f"http {{ access_log off; keepalive_timeout 0;\n{temporary}"
                       f"server {{ listen 127.0.0.1:{self.port}; location / {{ return 200 'yes'; }} }} }}\n")
        return self

    def __exit__(self, *unused):
        self.folder.cleanup()

    @property
    def config(self):
        return os.path.join(self.folder.name, "nginx.conf")

    def command(self):
        return ["nginx", "-c", self.config, "-p", self.folder.name, "-e", "stderr"]

    def master(self):
        path = os.path.join(self.folder.name, "pid")
        until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "the pid of nginx")
        with open(path, encoding="ascii") as file:
            return int(file.read())

    def ask(self, times):
        for _ in range(times):
            with connect(self.port) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b""
                while piece := connection.recv(1000):
                    answer += piece
                if not answer.endswith(b"yes"):
                    raise AssertionError(answer)
            self.asked += 1

    def reload(self):
        master = self.master()
        before = set(children_of(master))
        os.kill(master, signal.SIGHUP)
        until(lambda: len(set(children_of(master)) - before) == 2 and not set(children_of(master)) & before,
              "workers of a new generation")

    def stop(self):
        os.kill(self.master(), signal.SIGQUIT)


def go_echo():
    program = os.path.join(BUILD, "go_echo")
    environment = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOCACHE=os.path.join(BUILD, "go-cache"))
    subprocess.run(["go", "build", "-o", program, ECHO_GO], check=True, env=environment)
    return program


@unittest.skipUnless(strace_works(), "strace is missing, or may not trace here")
class ByStrace(Witnessed, unittest.TestCase):
    WITNESS = "strace"


class ByPtrace(Witnessed, unittest.TestCase):
    WITNESS = "ptrace"


class ByPtraceWithItsFilter(Witnessed, unittest.TestCase):
    WITNESS = "ptrace --kill-on-exit"


@unittest.skipUnless(works("--backend", "perf"), "no perf events here")
class ByPerf(Witnessed, unittest.TestCase):
    WITNESS = "perf"


@unittest.skipUnless(works("--backend", "ebpf"), "no eBPF here")
class Running(unittest.TestCase):
    @unittest.skipUnless(shutil.which("nginx"), "no nginx")
    def test_the_master_of_nginx_stands_for_its_workers_and_those_of_a_reload(self):
        with Nginx() as nginx:
            server = subprocess.Popen(nginx.command(), stderr=subprocess.DEVNULL)
            try:
                nginx.ask(3)
                master = nginx.master()
                tool = subprocess.Popen([BINARY, "stat", "-v", "--json", "--follow-forks", "-p", str(master)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                said = ""
                while "the probes are attached" not in said:
                    self.assertTrue(select.select([tool.stderr], [], [], PATIENCE)[0])
                    line = tool.stderr.readline()
                    self.assertTrue(line, said)
                    said += line
                before = nginx.asked
                nginx.ask(50)
                nginx.reload()
                nginx.ask(70)
                tool.send_signal(signal.SIGINT)
                out, _ = tool.communicate(timeout=PATIENCE)
                self.assertEqual(tool.returncode, 130)
            finally:
                server.send_signal(signal.SIGQUIT)
                server.wait(timeout=PATIENCE)
        document = json.loads(out)
        accepts = document["syscalls"]["accept4"]
        self.assertEqual(accepts["returned"] - sum(accepts["errors"].values()), nginx.asked - before)
        self.assertEqual(nginx.asked - before, 120)
        self.assertEqual(document["probe"]["lost"], 0)


if __name__ == "__main__":
    sys.exit(run_test_cases())
