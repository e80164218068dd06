#!/usr/bin/env python3
"""stat where something is in the way, or leaves in the middle: stat_limits_test.py BINARY"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BINARY = sys.argv[1]
PATIENCE = 60


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"never: {what}")
        time.sleep(0.01)


def stat(*arguments, ok=0):
    done = subprocess.run([BINARY, "stat", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    if ok is not None and done.returncode != ok:
        raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done


def works(backend):
    return stat("-q", "-o", "/dev/null", "--backend", backend, "--", "/bin/true", ok=None).returncode == 0


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Prey:
    """A process that waits, writes once for each byte that it is sent, and ends with its standard input."""

    SOURCE = """
import os, sys, threading
threading.stack_size(65536)
r, w = os.pipe()
null = os.open("/dev/null", os.O_WRONLY)
def wait():
    os.read(r, 1)
    os.write(null, b"x")
threads = [threading.Thread(target=wait) for _ in range(int(sys.argv[1]))]
for t in threads: t.start()
print("ready", flush=True)
while os.read(0, 1):
    os.write(null, b"y")
os.write(w, b"x" * len(threads))
for t in threads: t.join()
"""

    def __init__(self, threads=0):
        self.process = subprocess.Popen([sys.executable, "-c", self.SOURCE, str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise unittest.SkipTest(f"no process with {threads} threads can be made here")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()

    @property
    def pid(self):
        return str(self.process.pid)

    def poke(self, times):
        self.process.stdin.write("x" * times)
        self.process.stdin.flush()


class Attached:
    """stat of a running process, known to be attached."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([BINARY, "stat", "-v", *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.said = ""
        while "the probes are attached" not in self.said:
            if not select.select([self.process.stderr], [], [], PATIENCE)[0]:
                raise AssertionError(self.said)
            line = self.process.stderr.readline()
            if not line:
                raise AssertionError(self.said)
            self.said += line

    def finish(self, interrupts=1):
        for _ in range(interrupts):
            self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE)
        return out, self.said + err, self.process.returncode


@unittest.skipUnless(works("ptrace"), "no ptrace here")
class KillOnExit(unittest.TestCase):
    FLAGS = ("--backend", "ptrace", "--kill-on-exit")

    def test_what_a_command_leaves_running_ends_with_us_and_is_mentioned(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pid")
            done = stat(*self.FLAGS, "--json", "-o", "-", "--", "/bin/sh", "-c",
                        f"sleep 1000 >/dev/null & echo $! >{path}; exit 3", ok=3)
            with open(path, encoding="ascii") as file:
                pid = int(file.read())
        until(lambda: not alive(pid), "the end of the sleeper")
        self.assertIn("ended with the measurement", json.loads(done.stdout)["probe"]["notes"][0])

    def test_a_command_ends_when_the_tool_is_killed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pid")
            tool = subprocess.Popen([BINARY, "stat", *self.FLAGS, "-q", "--", "/bin/sh", "-c",
                                     f"sleep 1000 & echo $$ $! >{path}; wait"], stderr=subprocess.DEVNULL)
            until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "the command")
            tool.kill()
            tool.wait()
            with open(path, encoding="ascii") as file:
                pids = file.read().split()
        until(lambda: not any(alive(pid) for pid in pids), "the end of the command and its child")

    def test_children_that_are_not_followed_work_and_are_not_counted(self):
        done = stat(*self.FLAGS, "--no-follow-forks", "--json", "-o", "/dev/stderr", "--", "/bin/sh", "-c",
                    "cat /etc/passwd; exit 0")
        with open("/etc/passwd", encoding="utf-8") as file:
            self.assertEqual(done.stdout, file.read())

    def test_one_that_ignores_its_end_is_killed(self):
        done = stat(*self.FLAGS, "-d", "100ms", "--json", "-o", "-", "--", "/bin/sh", "-c", "trap '' TERM; sleep 1000")
        self.assertEqual(json.loads(done.stdout)["exit"]["signal"], signal.SIGKILL)

    def test_it_is_for_commands(self):
        self.assertIn("--kill-on-exit", stat("--kill-on-exit", "-p", str(os.getpid()), ok=2).stderr)


def main():
    program = unittest.main(argv=sys.argv[:1], verbosity=2, exit=False)
    result = program.result
    if not result.wasSuccessful():
        return 1
    return 77 if result.testsRun == len(result.skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
