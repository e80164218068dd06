#!/usr/bin/env python3
"""What a snapshot of a program costs: snapshot_cost.py --tool NETPOLL_TRACE --subject GO_WAITERS|RT_WAITERS [-o FILE]

Parts (default: all), each in rounds that take turns, with median, least and greatest:
  list        N goroutines in IO wait, with stacks, as JSON: wall and CPU time of the tool, its largest memory, bytes
              written; beside it the program's own pprof endpoint (debug=2), dlv and gdb, as far as they are installed
  crowd       100,000 goroutines. As many wait for I/O as the limit of descriptors allows, the rest for channels
  pause       how long --pause stops the program, for each 1,000 goroutines
  throughput  round trips of the program beside its 10,000 idle connections, with a snapshot every second and without;
              on the same core as the tool's, and on another
  attach      a snapshot of prometheus (a binary of 50 MB), whose goroutines are few

Wall times depend on who else uses the machine; CPU times much less. JSON on standard output.
"""

import argparse
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

PARTS = ("list", "crowd", "pause", "throughput", "attach")


def spread(values, digits=2):
    if not values:
        return None
    return {"median": round(statistics.median(values), digits), "min": round(min(values), digits),
            "max": round(max(values), digits)}


def pin(cpu):
    return (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None


class Waiters:
    """The program, running."""

    def __init__(self, path, io, channels=0, workers=0, cpu=None):
        self.process = subprocess.Popen([path, str(io), str(channels), str(workers)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=pin(cpu))
        self.address = self.process.stdout.readline().split()[1]
        self.pid = self.process.pid
        time.sleep(1)  # until all have come to where they wait

    def trips(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def measured(command, cpu=None, stdin=None, timeout=None):
    """Wall and CPU time in ms and the largest memory in KiB of a command; None when it takes longer than timeout."""
    begun = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, preexec_fn=pin(cpu), start_new_session=True)
    try:
        said = child.communicate(stdin, timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return None
    return {"wall_ms": (time.monotonic() - begun) * 1e3, "status": child.returncode, "said": said}


class Tool:
    def __init__(self, path):
        self.path = path

    def snapshot(self, pid, *more, cpu=None):
        """One snapshot as JSON into a file; its costs, and the document if it is wanted small (--top)."""
        with tempfile.NamedTemporaryFile() as out:
            command = [self.path, "snapshot", "-p", str(pid), "--json", *more, "-o", out.name]
            begun = time.monotonic()
            child = subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=pin(cpu))
            _, status, usage = os.wait4(child.pid, 0)
            wall = (time.monotonic() - begun) * 1e3
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode != 0:
                sys.exit(f"snapshot_cost: {' '.join(command)} ended with {child.returncode}")
            size = os.stat(out.name).st_size
            document = json.load(open(out.name, encoding="utf-8")) if "--top" in more else None
        return {"wall_ms": wall, "user_ms": usage.ru_utime * 1e3, "system_ms": usage.ru_stime * 1e3,
                "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1e3, "memory_mib": usage.ru_maxrss / 1024,
                "bytes": size, "document": document}


COSTS = ("wall_ms", "cpu_ms", "user_ms", "system_ms", "memory_mib", "bytes")


def summed(samples):
    return {name: spread([s[name] for s in samples]) for name in COSTS}


def pprof(waiters):
    begun = time.monotonic()
    with urllib.request.urlopen(f"http://{waiters.address}/debug/pprof/goroutine?debug=2") as answer:
        size = len(answer.read())
    return {"wall_ms": (time.monotonic() - begun) * 1e3, "bytes": size}


def dlv(waiters, limit):
    return measured(["dlv", "attach", str(waiters.pid), "--allow-non-terminal-interactive=true"],
                    stdin=b"config max-string-len 1\ngoroutines -t 32\nquit -c\nn\n", timeout=limit)


def gdb(waiters, limit):
    # Go's own script, which gdb loads with the program where it may; it lists states and innermost functions alone.
    return measured(["gdb", "-batch", "-iex", "add-auto-load-safe-path /", "-p", str(waiters.pid), "-ex",
                     "info goroutines"], timeout=limit)


def list_part(o, tool):
    result = {"goroutines": o.goroutines}
    with Waiters(o.subject, o.goroutines) as waiters:
        ours, endpoint = [], []
        for _ in range(o.rounds):
            ours.append(tool.snapshot(waiters.pid))
            endpoint.append(pprof(waiters))
        result["snapshot"] = summed(ours)
        result["snapshot_top_1"] = summed([tool.snapshot(waiters.pid, "--top", "1") for _ in range(o.rounds)])
        result["pprof_debug_2"] = {name: spread([s[name] for s in endpoint]) for name in ("wall_ms", "bytes")}
        for name, peer in (("dlv", dlv), ("gdb", gdb)):
            if not shutil.which(name):
                result[name] = "not installed"
                continue
            done = peer(waiters, o.limit)
            if done is None:
                result[name] = f"not done within {o.limit} s"
                os.kill(waiters.pid, 18)  # SIGCONT: a debugger that was ended may have left it stopped
            else:
                result[name] = {"wall_ms": round(done["wall_ms"]), "bytes": len(done["said"]), "status": done["status"]}
    return result


def crowd_part(o, tool):
    # A connection is two descriptors, both of whose ends wait.
    io = min(o.crowd, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100) // 2 * 2
    with Waiters(o.subject, io, o.crowd - io) as waiters:
        samples = [tool.snapshot(waiters.pid, "--all") for _ in range(o.rounds)]
        return {"goroutines": o.crowd, "io_wait": io, "snapshot": summed(samples)}


def pause_part(o, tool):
    with Waiters(o.subject, o.goroutines) as waiters:
        paused = [tool.snapshot(waiters.pid, "--top", "1", "--pause")["document"]["paused_ns"] for _ in range(o.rounds)]
        return {"goroutines": o.goroutines, "pause_ms_per_1000": spread([p / 1e3 / o.goroutines for p in paused], 3)}


def trips_in(waiters, seconds, tool, cpu):
    """Round trips a second, and how many snapshots were taken meanwhile."""
    before, begun, taken = waiters.trips(), time.monotonic(), 0
    while (left := begun + seconds - time.monotonic()) > 0:
        if tool is None:
            time.sleep(left)
            continue
        time.sleep(max(0, min(left, begun + taken + 0.5 - time.monotonic())))
        if time.monotonic() < begun + seconds:
            tool.snapshot(waiters.pid, cpu=cpu)
            taken += 1
            time.sleep(max(0, min(begun + taken, begun + seconds) - time.monotonic()))
    return (waiters.trips() - before) / (time.monotonic() - begun), taken


def throughput_part(o, tool):
    result = {"goroutines": o.goroutines, "seconds": o.seconds}
    for where, cpu in (("same_core", 0), ("other_core", 1)):
        if cpu >= os.cpu_count():
            continue
        with Waiters(o.subject, o.goroutines, workers=4, cpu=0) as waiters:
            ratios, alone = [], []
            for _ in range(o.rounds):
                ways = [None, tool]
                random.shuffle(ways)
                rate = {way is not None: trips_in(waiters, o.seconds, way, cpu)[0] for way in ways}
                alone.append(rate[False])
                ratios.append(rate[True] / rate[False])
            result[where] = {"round_trips_per_s": spread(alone, 0), "with_snapshots": spread(ratios, 3)}
    return result


def attach_part(o, tool):
    prometheus = shutil.which("prometheus")
    if not prometheus:
        return "prometheus is not installed"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.yml").write_text("scrape_configs: []\n", encoding="utf-8")
        child = subprocess.Popen([prometheus, f"--config.file={folder}/config.yml",
                                  f"--storage.tsdb.path={folder}/data",
                                  "--web.listen-address=127.0.0.1:0"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            time.sleep(3)
            samples = [tool.snapshot(child.pid, "--all") for _ in range(o.rounds)]
        finally:
            child.terminate()
            child.wait()
    return {"binary_bytes": os.stat(prometheus).st_size, "snapshot": summed(samples)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--subject", required=True, help="go_waiters, or rt_waiters, as the build makes it")
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--goroutines", type=int, default=10000)
    parser.add_argument("--crowd", type=int, default=100000)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement of the throughput")
    parser.add_argument("--limit", type=float, default=60, help="seconds that a peer may take")
    parser.add_argument("-o", "--output")
    o = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
    tool = Tool(o.tool)
    document = {"bench": "snapshot_cost",
                "host": {"kernel": platform.release(), "arch": platform.machine(), "cpus": os.cpu_count()},
                "rounds": o.rounds, "parts": {}}
    run = {"list": list_part, "crowd": crowd_part, "pause": pause_part, "throughput": throughput_part,
           "attach": attach_part}
    for part in o.part or PARTS:
        document["load_before_" + part] = os.getloadavg()[0]
        document["parts"][part] = run[part](o, tool)
    text = json.dumps(document, indent=2) + "\n"
    if o.output:
        Path(o.output).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
