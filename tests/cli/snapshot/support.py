"""What the tests of snapshot in Python share: checks that are counted, programs that end with the test, dumps of Go."""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time


class Checks:
    """Counts what failed; finish() ends the test by it."""

    def __init__(self, name):
        self.name, self.failures, self.passed, self.skipped = name, 0, 0, 0

    def __call__(self, good, what, detail=""):
        if good:
            self.passed += 1
        else:
            self.failures += 1
            print(f"FAILED: {what}\n  {str(detail)[:2000]}")
        return good

    def skip(self, why):
        self.skipped += 1
        print(f"SKIPPED: {why}", file=sys.stderr)

    def finish(self):
        print(f"{self.name}: {self.passed} passed, {self.failures} failed, {self.skipped} skipped")
        sys.exit(1 if self.failures else 77 if self.skipped and not self.passed else 0)


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


def go_server(programs, builds, *mode, **more):
    """The Go program of the tests, once it is ready, and what it says of itself; None where it was not built."""
    path = os.path.join(builds, "system-plain")
    if not os.access(path, os.X_OK):
        return None, None
    server = programs.start(path, *mode, **more)
    truth = json.loads(server.stdout.readline())
    assert server.stdout.readline() == "ready\n"
    return server, truth


def eventually(get, good, seconds=20):
    """What get() says once it is good, or after a while."""
    end = time.monotonic() + seconds
    while True:
        value = get()
        if good(value) or time.monotonic() > end:
            return value
        time.sleep(0.05)


def printed(name):
    """As Go prints generic names."""
    return re.sub(r"\[.*\]", "[...]", name)


def dump_goroutines(text):
    """Goid -> (state, functions without the runtime's) of a SIGQUIT dump or of goroutine?debug=2."""
    found = {}
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip().splitlines()
        head = re.match(r"goroutine (\d+)(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[([^\],]*)", lines[0]) if lines else None
        if not head:
            continue
        functions = [printed(line.rsplit("(", 1)[0]) for line in lines[1:]
                     if line.endswith(")") and not line.startswith(("\t", "created by "))]
        # runtime.gopanic is called panic there.
        found[int(head[1])] = (head[2], [f for f in functions if not f.startswith("runtime.") and f != "panic"])
    return found


def snapshot_goroutines(document, wrappers=False):
    """The same of a snapshot's document."""
    found = {}
    for g in document["goroutines"]:
        functions = [printed(f["function"]) for f in g["stack"] or [] if wrappers or not f["hidden"]]
        found[g["goid"]] = (g["wait_reason"] or g["status"], [f for f in functions if not f.startswith("runtime.")])
    return found
