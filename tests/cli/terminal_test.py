#!/usr/bin/env python3
"""A terminal that vanishes under a command ends it: terminal_test.py BINARY

A window that is closed hangs its terminal up: processes get SIGHUP, and whoever ignores that cannot write any more.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
import unittest

BINARY = sys.argv[1]
PATIENCE = 60


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

    def vanishes(self, arguments, signals):
        command, outer = on_terminal(arguments, signals)
        try:
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


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
