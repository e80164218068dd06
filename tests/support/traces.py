"""For test scripts about traces: the tool, which is their first argument, at work on a program, and the lines it says."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from programs import PATIENCE, until

BINARY = os.path.abspath(sys.argv[1])
# Polling and I/O, as strace traces them too.
CALLS = "epoll_wait,epoll_pwait,epoll_ctl,epoll_create1,epoll_create,read,write,recvfrom,sendto,close,accept4"


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


class Server:
    """An echo server of our own, in a process of its own, that uses epoll; speaks through its streams."""

    SOURCE = """
import select, socket, sys
if len(sys.argv) > 1: open("/proc/self/comm", "w").write(sys.argv[1])
l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(); l.setblocking(False)
e = select.epoll(); e.register(l, select.EPOLLIN)
print(l.getsockname()[1], flush=True)
conns = {}
while True:
    for fd, events in e.poll():
        if fd == l.fileno():
            c, _ = l.accept(); c.setblocking(False); conns[c.fileno()] = c; e.register(c, select.EPOLLIN)
        else:
            data = conns[fd].recv(100)
            if data: conns[fd].send(data)
            else: e.unregister(fd); conns.pop(fd).close()
"""

    def __init__(self, *name):
        self.name = name

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", self.SOURCE, *self.name], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def pid(self):
        return str(self.process.pid)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


def programs():
    """Ids of our BPF programs; a link of ours would keep one."""
    bpftool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    shown = subprocess.run([bpftool, "-j", "prog", "show"], capture_output=True, text=True)
    if shown.returncode != 0:
        return None
    return {row["id"] for row in json.loads(shown.stdout) if row.get("name", "").startswith("netpoll_stream")}


class InKernel(unittest.TestCase):
    """None of our BPF programs stays behind."""

    def setUp(self):
        self.before = programs()

    def tearDown(self):
        if self.before is not None:
            until(lambda: programs() <= self.before, "our programs left the kernel")
