#!/usr/bin/env python3
"""What epoll costs: epoll_cost.py --tool NETPOLL_TRACE [--rounds 9] [-o FILE]

Subjects, each with so many registrations as their name says; the program and all peers are one process:
  tcp_10000      TCP connections, in one instance
  tcp_100000     the same connections in several instances, as many as the limit of descriptors makes necessary
  closed_100000  numbers that are closed, of one file that lives on: each is a finding

Of each document (json, table) in turn: wall and CPU time of the tool, its largest memory, bytes written; and at the end
whether all registrations are there. Wall times depend on who else uses the machine. JSON on standard output.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time

SUBJECT = """
import os, resource, select, socket, sys
kind, count = sys.argv[1], int(sys.argv[2])
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
keep, numbers = [], []
if kind == "tcp":
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    most = min(count, (limit - 200) // 2 * 2)
    while len(numbers) < most:
        pair = socket.create_connection(listener.getsockname()), listener.accept()[0]
        for end in pair:
            end.setblocking(False)
            numbers.append(end.fileno())
        keep.append(pair)
    left = count
    while left > 0:
        instance = select.epoll()
        for number in numbers[:left]:
            instance.register(number, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
        left -= len(numbers)
        keep.append(instance)
else:
    a, b = socket.socketpair()
    a.setblocking(False)
    keep.append((a, b))
    left = count
    while left > 0:
        instance = select.epoll()
        keep.append(instance)
        for number in range(100, min(limit, 100 + left)):
            os.dup2(a.fileno(), number)
            instance.register(number, select.EPOLLIN | select.EPOLLET)
            os.close(number)
            left -= 1
print("ready", flush=True)
sys.stdin.read()
"""

SUBJECTS = {"tcp_10000": ("tcp", 10000), "tcp_100000": ("tcp", 100000), "closed_100000": ("closed", 100000)}


def spread(values):
    return {"median": round(statistics.median(values), 2), "min": round(min(values), 2), "max": round(max(values), 2)}


class Subject:
    def __init__(self, kind, count):
        self.process = subprocess.Popen([sys.executable, "-c", SUBJECT, kind, str(count)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            sys.exit("epoll_cost: the subject could not be made")

    def __enter__(self):
        return self.process.pid

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def look(tool, pid, form):
    with tempfile.NamedTemporaryFile() as out:
        begun = time.monotonic()
        child = subprocess.Popen([tool, "epoll", "-p", str(pid), "-f", form, "-o", out.name])
        _, status, usage = os.wait4(child.pid, 0)
        wall = (time.monotonic() - begun) * 1e3
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"epoll_cost: epoll ended with {child.returncode}")
        size = os.stat(out.name).st_size
    return {"wall_ms": wall, "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1e3, "user_ms": usage.ru_utime * 1e3,
            "memory_mib": usage.ru_maxrss / 1024, "bytes": size}


def sizes(tool, pid):
    """Instances, registrations and findings of the document. Read by another process: the kernel counts the memory of
    who starts a child as the child's, if it is more (exec_mmap in fs/exec.c), so that ours has to stay small."""
    program = ("import json, sys; d = json.load(sys.stdin); i = d['instances']; "
               "print(len(i), sum(len(one['registrations']) for one in i), len(d['findings']))")
    with subprocess.Popen([tool, "epoll", "-p", str(pid), "--json"], stdout=subprocess.PIPE) as document:
        said = subprocess.run([sys.executable, "-c", program], stdin=document.stdout, stdout=subprocess.PIPE, check=True)
    return map(int, said.stdout.split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--subject", action="append", choices=SUBJECTS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("-o", "--output")
    o = parser.parse_args()
    document = {"bench": "epoll_cost",
                "host": {"kernel": platform.release(), "arch": platform.machine(), "cpus": os.cpu_count(),
                         "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[1]},
                "rounds": o.rounds, "subjects": {}}
    for name in o.subject or SUBJECTS:
        kind, count = SUBJECTS[name]
        samples = {"json": [], "table": []}
        with Subject(kind, count) as pid:
            for _ in range(o.rounds):
                for form, rows in samples.items():
                    rows.append(look(o.tool, pid, form))
            instances, shown, findings = sizes(o.tool, pid)
        if shown != count or findings != (count if kind == "closed" else 0):
            sys.exit(f"epoll_cost: {shown} registrations and {findings} findings of {count}")
        document["subjects"][name] = {"load": os.getloadavg()[0], "instances": instances}
        for form, rows in samples.items():
            document["subjects"][name][form] = {key: spread([row[key] for row in rows])
                                                for key in ("wall_ms", "cpu_ms", "user_ms", "memory_mib", "bytes")}
    text = json.dumps(document, indent=2) + "\n"
    if o.output:
        with open(o.output, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
