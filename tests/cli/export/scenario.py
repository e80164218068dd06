"""Traces with a known story, as trace -f ndjson writes them, and the tool that converts them."""

import json
import os
import subprocess
import tempfile
import unittest

PATIENCE = 120
# What a name may hold that somebody else has chosen: each means something to some format.
HOSTILE = 'q" b\\ <a> </script><script>alert(1)</script> ; , % | :: ü \u2028\n\x01\x1b[31m'

VOCABULARY = [
    ("tracepoint", "fd_register", {"pd": "number", "fd": "fd", "mode": "read or write"}),
    ("tracepoint", "fd_close", {"pd": "number", "fd": "fd"}),
    ("tracepoint", "park", {"goid": "number", "pd": "number", "fd": "fd", "mode": "read or write", "reason": "number"}),
    ("tracepoint", "ready", {"goid": "number", "pd": "number", "fd": "fd", "mode": "read or write"}),
    ("tracepoint", "run", {"goid": "number", "p": "number"}),
    ("tracepoint", "go_create", {"goid": "number", "parent": "number"}),
    ("tracepoint", "go_exit", {"goid": "number"}),
    ("tracepoint", "poll_enter", {"timeout": "ns"}),
    ("tracepoint", "poll_exit", {"n": "number"}),
    ("syscall", "read", {"fd": "fd", "count": "number"}),
    ("syscall", "epoll_ctl", {"epfd": "fd", "op": "epoll_ctl operation", "fd": "fd", "events": "epoll events"}),
    ("syscall", "epoll_wait", {"epfd": "fd", "maxevents": "number", "timeout": "ms"}),
]
START = 1_000_000_000


def meta(comm="server", schema="netpoll-trace/trace/v1"):
    return {"type": "meta", "schema": schema, "tool": {"name": "netpoll-trace", "version": "0.1.0"},
            "host": {"kernel": "6.1", "arch": "x86_64", "cpus": 2}, "started_at": "2026-01-02T03:04:05.678Z",
            "target": {"pid": 41, "comm": comm, "exe": None, "kind": "libruntime", "runtime_version": "0.1.0"},
            "probe": {"backend": "self", "lost": None, "overhead_note": None, "notes": [], "passed_over": []},
            "command": None, "started_ns": START, "started_realtime_ns": 1767323045678000000,
            "events": [{"kind": kind, "name": name, "args": args} for kind, name, args in VOCABULARY]}


def end(events, lost=0):
    return {"type": "end", "duration_ns": 10_000_000, "events": events, "seen": events, "lost": lost, "lost_by_cpu": [],
            "lost_output": 0, "foreign_calls": 0, "overwritten": None, "interrupted": False, "target_ended": True,
            "exit": None}


def tracepoint(at, name, args, goid=None, fd=None, peer=None, tid=50, step=None, pid=41):
    line = {"type": "event", "time_ns": START + at, "kind": "tracepoint", "name": name, "cpu": 0, "pid": pid, "tid": tid}
    if goid:
        line["goid"] = goid
    line["args"] = args
    if fd is not None:
        line.update({"fd": fd, "fd_kind": "tcp", "local": "127.0.0.1:80", "peer": peer})
    if step:
        line["step"] = step
    return line


def park(at, goid, fd, peer="10.0.0.1:999"):
    if fd is None:
        return tracepoint(at, "park", {"goid": goid, "pd": 0, "fd": -1, "mode": "read", "reason": 3}, goid, step="park")
    args = {"goid": goid, "pd": 1, "fd": fd, "mode": "read", "reason": 1}
    return tracepoint(at, "park", args, goid, fd, peer, step="park")


def ready(at, goid, fd=None, tid=51):
    args = {"goid": goid, "pd": 1, "fd": -1 if fd is None else fd, "mode": "read"}
    return tracepoint(at, "ready", args, goid, fd, tid=tid, step="ready")


def run(at, goid, p=0, tid=50):
    return tracepoint(at, "run", {"goid": goid, "p": p}, goid, tid=tid, step="run")


def go_exit(at, goid):
    return tracepoint(at, "go_exit", {"goid": goid}, goid)


def call(at, name, duration, result, args, fd=None, tid=60, pid=70, peer=None, goid=None, labels=None, ready=None,
         step=None, network=None, cpu=None):
    line = {"type": "event", "time_ns": START + at, "kind": "syscall", "name": name, "cpu": 1, "pid": pid, "tid": tid}
    if goid:
        line["goid"] = goid
    if labels:
        line["labels"] = labels
    line.update({"args": args, "duration_ns": duration, "result": result})
    if result is not None and result < 0:
        line["error"] = {-11: "EAGAIN"}[result]
    if fd is not None:
        line.update({"fd": fd, "fd_kind": "tcp", "local": "127.0.0.1:80", "peer": peer})
    if ready:
        line["ready"] = ready
    if step:
        line["step"] = step
    if network is not None:
        line["network_wait_ns"] = network
    if cpu is not None:
        line["cpu_wait_ns"] = cpu
    return line


def story():
    """Of libruntime (pid 41): G7 waits for fd 5 and is woken twice, G8 yields to it. Of a Go program (pid 70): G9 reads
    what fd 6 had. Strings are hostile."""
    peer = "unix:/" + HOSTILE
    read = {"fd": 6, "count": 4096}
    labels = {'k;e"y': HOSTILE}
    return [
        tracepoint(100, "fd_register", {"pd": 1, "fd": 5, "mode": "read"}, fd=5, peer=peer, step="register"),
        tracepoint(200, "go_create", {"goid": 7, "parent": 1}, 7),
        run(300, 7),
        park(1300, 7, 5, peer),
        run(1400, 8),
        tracepoint(1500, "poll_enter", {"timeout": -1}, tid=51),
        tracepoint(5500, "poll_exit", {"n": 1}, tid=51),
        ready(5600, 7, 5),
        run(6000, 7),  # G8 has yielded
        park(7000, 7, 5, peer),
        run(7000, 8),  # at the very moment
        ready(9000, 7, 5),
        park(9500, 8, None),
        run(9500, 7),
        go_exit(9900, 7),
        call(10_000, "epoll_ctl", 500, 0, {"epfd": 3, "op": "ADD", "fd": 6, "events": ["IN", "ET", "0x10000"]}, fd=6,
             peer="[::1]:5", step="register"),
        call(11_000, "read", 300, -11, read, fd=6, peer="[::1]:5", goid=9, labels=labels, step="park"),
        call(30_000, "epoll_wait", 18_500, 1, {"epfd": 3, "maxevents": 128, "timeout": -1}, step="ready",
             ready=[{"fd": 6, "events": ["IN"], "data": "0x7"},
                    {"fd": None, "events": ["HUP"], "data": "0xffffffffffffffff"}]),
        call(32_000, "read", 200, 64, read, fd=6, peer="[::1]:5", goid=9, labels=labels, step="run", network=19_000,
             cpu=1_800),
        tracepoint(33_000, "fd_close", {"pd": 1, "fd": 5}, fd=5, peer=peer, step="close"),
    ]


def write(path, lines):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")


class Tool:
    def __init__(self, binary):
        self.binary = binary

    def __call__(self, *arguments, ok=0, **options):
        done = subprocess.run([self.binary, *arguments], capture_output=True, timeout=PATIENCE, **options)
        if ok is not None and done.returncode != ok:
            raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stderr[-2000:].decode()}")
        return done


class InFolder(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)
