#!/usr/bin/env python3
"""lint, and the event loops of epoll, on programs whose faults are known: lint_test.py BINARY GO_BUILDS LOST_GO BUILD"""

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from programs import PATIENCE, Prey  # noqa: E402

BINARY, GO_BUILDS, LOST_GO, BUILD = sys.argv[1:5]
BUILD = os.path.abspath(BUILD)
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438

PRELUDE = "import os, select, socket, sys, threading\n"
EPILOGUE = "print('ready', flush=True)\nsys.stdin.read()\n"


def tool(*arguments, ok=0):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != ok:
        raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


class Poller(Prey):
    def __init__(self, program):
        super().__init__(PRELUDE + program + EPILOGUE)


class Registrations(unittest.TestCase):
    FAULTY = """
e = select.epoll()
a, b = socket.socketpair()
e.register(a, select.EPOLLIN)                      # blocking
c, d = socket.socketpair()
c.setblocking(False)
gone = c.fileno()
e.register(c, select.EPOLLIN | select.EPOLLET)
kept = os.dup(gone)                                # closed here, and alive
os.close(c.detach())
"""

    def test_each_fault_has_a_rule_a_level_evidence_and_a_fix(self):
        with Poller(self.FAULTY) as prey:
            document = json.loads(tool("lint", "-p", prey.pid, "--json", ok=1))
            found = {(f["rule"], f["level"]) for f in document["findings"]}
            self.assertEqual(found, {("blocking-fd", "warning"), ("closed-fd", "error")})
            self.assertEqual([f["level"] for f in document["findings"]], ["error", "warning"])
            self.assertTrue(all(f["evidence"] and f["fix"] and f["goid"] is None for f in document["findings"]))
            self.assertEqual((document["errors"], document["warnings"]), (1, 1))
            page = tool("lint", "-p", prey.pid, ok=1)
            self.assertIn("[closed-fd]", page)
            self.assertIn("1 error, 1 warning in 1 epoll instance, 2 registrations, 0 goroutines", page)
            errors = json.loads(tool("lint", "-p", prey.pid, "--errors-only", "--json", ok=1))
            self.assertEqual([f["rule"] for f in errors["findings"]], ["closed-fd"])

    def test_a_program_without_a_fault_passes(self):
        with Poller("e = select.epoll()\na, b = socket.socketpair()\na.setblocking(False)\n"
                  "e.register(a, select.EPOLLIN | select.EPOLLET)\n") as prey:
            self.assertIn("nothing is wrong in 1 epoll instance, 1 registration", tool("lint", "-p", prey.pid))

    def test_a_process_is_needed_and_has_to_exist(self):
        tool("lint", ok=2)
        gone = subprocess.Popen(["true"])
        gone.wait()
        tool("lint", "-p", str(gone.pid), ok=3)


class Runtime(unittest.TestCase):
    def setUp(self):
        self.server = subprocess.Popen([BINARY, "run", "idle", "--conns", "3", "--duration", "5m", "--backend", "none",
                                        "-o", "/dev/null"], stderr=subprocess.PIPE, text=True)
        self.pid = re.search(r"server: pid (\d+)", self.server.stderr.readline()).group(1)
        deadline = time.monotonic() + PATIENCE
        while True:
            self.waiting = json.loads(tool("snapshot", "-p", self.pid, "--json"))
            if len(self.waiting["goroutines"]) >= 4 or time.monotonic() > deadline:
                break
            time.sleep(0.05)

    def tearDown(self):
        self.server.send_signal(signal.SIGINT)
        self.server.communicate(timeout=PATIENCE)

    def test_somebody_elses_epoll_ctl_is_found_and_names_the_goroutine(self):
        self.assertIn("nothing is wrong", tool("lint", "-p", self.pid))
        victim = next(g for g in self.waiting["goroutines"] if g["peer"])
        epfd = json.loads(tool("epoll", "-p", self.pid, "--json"))["instances"][0]["epfd"]
        libc = ctypes.CDLL(None, use_errno=True)
        pidfd = libc.syscall(SYS_PIDFD_OPEN, int(self.pid), 0)
        theirs = [libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0) for fd in (epfd, victim["fd"])]
        if min(theirs) < 0:
            self.skipTest("descriptors may not be duplicated here")
        # A registration is found by file and number: both have to be the same as there.
        number = os.dup2(theirs[1], 900 + victim["fd"])
        os.close(theirs[1])
        spare = os.dup(victim["fd"]) if os.path.exists(f"/proc/self/fd/{victim['fd']}") else None
        os.dup2(number, victim["fd"])
        ctl_del = 2
        self.assertEqual(libc.epoll_ctl(theirs[0], ctl_del, victim["fd"], None), 0, os.strerror(ctypes.get_errno()))
        os.close(victim["fd"])
        if spare is not None:
            os.dup2(spare, victim["fd"])
            os.close(spare)
        os.close(number)
        document = json.loads(tool("lint", "-p", self.pid, "--json", ok=1))
        finding, = [f for f in document["findings"] if f["rule"] == "foreign-epoll-ctl"]
        self.assertEqual((finding["goid"], finding["fd"], finding["level"]), (victim["goid"], victim["fd"], "error"))
        self.assertGreaterEqual(document["looked_at"]["goroutines"], 4)


class GoPrograms(unittest.TestCase):
    """Of numbers that were closed or reused while somebody waits: with a duplicate that keeps the registration
    (tests/testprogs/go/server/hostile.go), and without (tests/testprogs/go/lost)."""

    def start(self, *command):
        """What the program says, line by line, before it is ready."""
        program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(program.communicate)
        lines = []
        while (line := program.stdout.readline()) != "ready\n":
            self.assertTrue(line, lines)
            lines.append(line)
        return program, lines

    def findings(self, program):
        document = json.loads(tool("lint", "-p", str(program.pid), "--json", ok=1))
        return {(f["rule"], f["fd"], f["goid"]) for f in document["findings"] if f["goid"] is not None}

    def test_numbers_that_a_duplicate_keeps_firing(self):
        builds = [name for name in os.listdir(GO_BUILDS) if name.startswith("system-")] if os.path.isdir(GO_BUILDS) else []
        if not builds:
            self.skipTest("no Go program: there is no Go")
        for name in sorted(builds):
            with self.subTest(build=name):
                program, lines = self.start(os.path.join(GO_BUILDS, name), "stale")
                truth = json.loads(lines[0])["goroutines"]
                self.assertEqual(self.findings(program),
                                 {(f"{one['what']}-behind-runtime", one["fd"], one["goid"]) for one in truth})
                document = json.loads(tool("lint", "-p", str(program.pid), "--json", ok=1))
                self.assertEqual({(f["rule"], f["fd"]) for f in document["findings"] if f["goid"] is None},
                                 {(f"{one['what']}-fd", one["fd"]) for one in truth})

    def test_registrations_that_are_gone(self):
        go = shutil.which("go") or "/usr/local/go/bin/go"
        if not os.access(go, os.X_OK):
            self.skipTest("go is not installed")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        built = subprocess.run([go, "build", "-o", os.path.join(folder.name, "lost"), LOST_GO], capture_output=True,
                               text=True, timeout=PATIENCE,
                               env={**os.environ, "GO111MODULE": "off", "GOFLAGS": "",
                                    "GOCACHE": os.path.join(BUILD, "go-cache")})
        self.assertEqual(built.returncode, 0, built.stderr)
        program, lines = self.start(os.path.join(folder.name, "lost"))
        fd_of = {fate: int(fd) for fate, fd in (line.split() for line in lines)}
        expected = {("closed-behind-runtime", fd_of["closed"]), ("foreign-epoll-ctl", fd_of["removed"])}
        deadline = time.monotonic() + PATIENCE
        while True:
            found = {(rule, fd) for rule, fd, _ in self.findings(program)}
            if found == expected or time.monotonic() > deadline:
                break
        self.assertEqual(found, expected)
        errors = json.loads(tool("lint", "-p", str(program.pid), "--json", ok=1))["findings"]
        self.assertEqual({f["rule"] for f in errors}, {rule for rule, _ in expected}, "an unread end is no unread byte")


class Loops(unittest.TestCase):
    THREADS = """
l = socket.create_server(("127.0.0.1", 0))
keep = []
def loop(name, connections):
    e = select.epoll()
    for _ in range(connections):
        a, b = socket.create_connection(l.getsockname()), l.accept()
        a.setblocking(False)
        keep.append((a, b))
        e.register(a, select.EPOLLIN | select.EPOLLET)
    keep.append(e)
    threading.Thread(target=lambda: e.poll(), name=name, daemon=True).start()
loop("one", 3)
loop("two", 1)
"""

    def test_connections_are_told_apart_by_event_loop_with_the_imbalance(self):
        with Poller(self.THREADS) as prey:
            deadline = time.monotonic() + PATIENCE
            while True:
                document = json.loads(tool("epoll", "-p", prey.pid, "--json"))
                loops = document["loops"]
                if all(len(loop["threads"]) == 1 for loop in loops) or time.monotonic() > deadline:
                    break
            self.assertEqual(sorted(loop["connections"] for loop in loops), [1, 3])
            self.assertEqual(sorted(loop["share"] for loop in loops), [0.25, 0.75])
            self.assertEqual(document["loop_imbalance"], 0.5)
            self.assertEqual(len({loop["threads"][0]["tid"] for loop in loops}), 2)
            page = tool("epoll", "-p", prey.pid)
            self.assertIn("waiting thread", page)
            self.assertIn("the fullest has 50.0 % more than the mean", page)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[5:], verbosity=2)
