"""For test scripts: programs that run beside the test and end with it, and waiting for what they do."""

import ctypes
import signal
import socket
import subprocess
import sys
import time

PATIENCE = 120  # seconds


def until(condition, what, seconds=PATIENCE):
    """What condition() says once that is true. Fails saying what never came: a text, or who makes one then."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never: {what() if callable(what) else what}")
        time.sleep(0.01)
    return found


def eventually(get, good, seconds=20):
    """What get() says once it is good, or after a while."""
    end = time.monotonic() + seconds
    while True:
        value = get()
        if good(value) or time.monotonic() > end:
            return value
        time.sleep(0.05)


def free_port():
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Programs:
    """Programs that run beside the test, and end with it."""

    def __init__(self):
        self.all = []

    def start(self, *argv, **more):
        more = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "errors": "replace", **more}
        process = subprocess.Popen(argv, preexec_fn=die_with_parent, **more)
        self.all.append(process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.all:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()


class Prey:
    """A Python program that prints "ready" when it has done what its test is about, and ends with its standard input.
    One that does not come so far raises UNREADY: unittest.SkipTest where it asks much of the machine."""

    UNREADY = AssertionError

    def __init__(self, source, *arguments):
        self.process = subprocess.Popen([sys.executable, "-c", source, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise self.UNREADY(f"the program is not ready, but says {line!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()

    @property
    def pid(self):
        return str(self.process.pid)
