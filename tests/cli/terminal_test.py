#!/usr/bin/env python3
"""A terminal that vanishes under a command ends it: terminal_test.py BINARY

A window that is closed hangs its terminal up: processes get SIGHUP, and whoever ignores that cannot write any more.
Whoever has nothing to write learns it all the same, unless the output goes elsewhere, which is what nohup is for.
"""

import contextlib
import fcntl
import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import termios
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import programs  # noqa: E402

BINARY = sys.argv[1]
PATIENCE = 60
until = functools.partial(programs.until, seconds=PATIENCE)


def on_terminal(arguments, signals):
    """The command on a terminal of its own, and the other end of that."""
    outer, inner = os.openpty()

    def before():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if not signals:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    command = subprocess.Popen([BINARY, *arguments], stdin=inner, stdout=inner, stderr=inner, preexec_fn=before)
    os.close(inner)
    return command, outer


def has_poller(pid):
    """Whether it has an epoll instance to wait with."""
    links = []
    with contextlib.suppress(OSError):
        folder = f"/proc/{pid}/fd"
        links = [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]
    return "anon_inode:[eventpoll]" in links


class Vanishing(unittest.TestCase):
    def setUp(self):
        self.target = subprocess.Popen([BINARY, "run", "echo", "--serve", "127.0.0.1:0", "--backend", "none"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.pid = re.search(r"pid (\d+)", self.target.stderr.readline()).group(1)
        self.addCleanup(self.end_target)

    def end_target(self):
        self.target.kill()
        self.target.wait(timeout=PATIENCE)
        self.target.stderr.close()

    def vanishes(self, arguments, signals, waits=None):
        """waits: says whether a command with this pid has come so far, where it writes nothing."""
        command, outer = on_terminal(arguments, signals)
        try:
            if waits:
                until(lambda: waits(command.pid), "it waits")
            else:
                os.read(outer, 1)  # it has begun to write
        finally:
            os.close(outer)
        status = command.wait(timeout=PATIENCE)
        self.assertNotEqual(status, 0, arguments)
        # No crash either: by the signal, if at all.
        self.assertIn(status, (-signal.SIGHUP, 128 + signal.SIGHUP, 3), arguments)

    def test_whoever_writes_again_and_again_ends_with_it(self):
        for signals in (True, False):
            for arguments in (["stat", "-p", self.pid, "-i", "100ms"], ["snapshot", "-p", self.pid, "--watch", "100ms"],
                              ["trace", "--", BINARY, "run", "echo", "--duration", "600s", "--backend", "none", "-q"]):
                with self.subTest(arguments=arguments, signals=signals):
                    self.vanishes(arguments, signals)
        self.assertIsNone(self.target.poll(), "the target was taken along")

    def test_whoever_has_nothing_to_write_ends_with_it_too(self):
        """The target is idle: nobody is connected."""
        for signals in (True, False):
            for arguments in (["trace", "-p", self.pid], ["trace", "-p", self.pid, "--summary"], ["stat", "-p", self.pid],
                              ["epoll", "-p", self.pid, "--watch", "1h"]):
                with self.subTest(arguments=arguments, signals=signals):
                    self.vanishes(arguments, signals, has_poller)
        self.assertIsNone(self.target.poll(), "the target was taken along")

    def test_output_that_goes_elsewhere_outlives_the_terminal(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trace.ndjson")
            command, outer = on_terminal(["trace", "-p", self.pid, "-f", "ndjson", "-o", path, "-v"], signals=False)
            try:
                os.read(outer, 1)
            finally:
                os.close(outer)
            self.target.kill()  # the end of what it was asked to do
            self.assertEqual(command.wait(timeout=PATIENCE), 0)
            with open(path) as file:
                self.assertEqual(json.loads(file.readlines()[-1])["type"], "end")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
