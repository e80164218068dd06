"""For test scripts about traces: the tool, which is their first argument, at work on a program, and the lines it says."""

import json
import os
import signal
import subprocess
import sys
import tempfile

from programs import PATIENCE

BINARY = os.path.abspath(sys.argv[1])


def tool(*arguments, ok=0, **options):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE, **options)
    if ok is not None and done.returncode != ok:
        raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done


def lines_of(text):
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return lines[0], [line for line in lines if line["type"] == "event"], lines[-1], lines


def traced(*command, flags=()):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.ndjson")
        tool("trace", "-f", "ndjson", "-o", path, *flags, "--", *command)
        with open(path, encoding="utf-8") as file:
            return lines_of(file.read())


def works(backend):
    return tool("trace", "--backend", backend, "-f", "ndjson", "-o", "/dev/null", "--", "true", ok=None).returncode == 0


class Running:
    """The tool tracing a process, known to be attached: -v says so."""

    def __init__(self, *arguments, **options):
        self.process = subprocess.Popen([BINARY, "trace", "-v", *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **options)
        self.messages = ""
        while "attached" not in self.messages:
            line = self.process.stderr.readline()
            if not line:
                raise AssertionError(f"ended early: {self.messages}")
            self.messages += line

    def finish(self, how=signal.SIGINT):
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE)
        return out, self.messages + err, self.process.returncode
