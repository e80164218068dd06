#!/usr/bin/env python3
"""What `top` takes: top_cost.py --tool NETPOLL_TRACE --subject GO_WAITERS|RT_WAITERS [--rounds N] [-o FILE]

Its CPU time for each look, and its memory, on a terminal of 80 by 24 beside 10,000 and 100,000 goroutines (of which as
many wait for I/O as the limit of descriptors allows), by view. A run of few looks is taken from one of more, so that
starting does not count. At an interval of a second, ms for each look are tenths of a percent of a core. JSON on standard
output.
"""

import argparse
import fcntl
import json
import os
import platform
import pty
import resource
import struct
import subprocess
import sys
import termios
import threading

from snapshot_cost import Waiters, spread

VIEWS = ("goroutine", "peer", "fd", "stack", "thread")


def drain(master):
    try:
        while os.read(master, 65536):
            pass
    except OSError:
        pass  # top has ended, and with it the other end


def cost(tool, pid, view, looks):
    """CPU time in ms and largest memory in MiB of so many looks."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    child = subprocess.Popen([tool, "top", "-p", str(pid), "--backend", "none", "--by", view, "-n", str(looks), "-i",
                              "100ms"], stdin=slave, stdout=slave,
                             env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
    os.close(slave)
    reader = threading.Thread(target=drain, args=(master,))
    reader.start()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    os.close(master)
    if child.returncode != 0:
        sys.exit(f"top_cost: top ended with {child.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / 1024


def part(o, goroutines, looks):
    io = min(10_000, goroutines, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100) // 2 * 2
    result = {"goroutines": goroutines, "io_wait": io}
    with Waiters(o.subject, io, goroutines - io) as waiters:
        for view in VIEWS:
            each, memory = [], []
            for _ in range(o.rounds):
                few, _unused = cost(o.tool, waiters.pid, view, 2)
                many, most = cost(o.tool, waiters.pid, view, 2 + looks)
                each.append((many - few) / looks)
                memory.append(most)
            result[view] = {"cpu_ms_per_look": spread(each, 1), "memory_mib": spread(memory, 0)}
    return result


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tool", required=True)
    options.add_argument("--subject", required=True)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("-o", "--output")
    o = options.parse_args()
    result = {"bench": "top_cost", "kernel": platform.release(), "cpus": os.cpu_count(),
              "load_before": os.getloadavg()[0], "parts": [part(o, 10_000, 10), part(o, 100_000, 3)]}
    text = json.dumps(result, indent=2)
    if o.output:
        with open(o.output, "w", encoding="utf-8") as out:
            out.write(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
