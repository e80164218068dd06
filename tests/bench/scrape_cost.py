#!/usr/bin/env python3
"""What being scraped costs a program: scrape_cost.py --tool NETPOLL_TRACE [--rounds 5] [--seconds 40] [--conns 64]

The program is the server of the workload echo, busy all the time. In each round it runs once in each way, so that a
machine that drifts does so for all:

  alone           nobody looks
  calls           serve counts its calls (--no-waits), and nobody asks for a page
  calls, 15 s     and a page is asked for every 15 seconds, as Prometheus does unless told otherwise
  calls, 1 s      every second
  all             serve counts and times waits, and nobody asks
  all, 15 s; all, 1 s

Prints JSON: the program's CPU time per operation, and its ratio to the same round's "alone" and, of those that are asked
for pages, to nobody's asking; what serve itself used per second; how long a page took.
"""

import argparse
import json
import pathlib
import re
import resource
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

PATIENCE = 120
WAYS = {"alone": None, "calls": (["--no-waits"], None), "calls, 15 s": (["--no-waits"], 15), "calls, 1 s": (["--no-waits"], 1),
        "all": ([], None), "all, 15 s": ([], 15), "all, 1 s": ([], 1)}


def spread(values):
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def server_of(run):
    """The process of the workload's server, as soon as it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for children in pathlib.Path(f"/proc/{run.pid}/task").glob("*/children"):
            for pid in children.read_text(encoding="utf-8").split():
                if b"__serve" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        time.sleep(0.01)
    raise SystemExit("the server did not come up")


def scrape(url):
    begin = time.perf_counter()
    with urllib.request.urlopen(url, timeout=PATIENCE) as page:
        page.read()
    return time.perf_counter() - begin


def once(options, way):
    run = subprocess.Popen([options.tool, "run", "echo", "--conns", str(options.conns), "--duration", f"{options.seconds}s",
                            "--backend", "none", "--json", "-q"], stdout=subprocess.PIPE, text=True)
    pid = server_of(run)
    pages, used = [], None
    if way:
        flags, every = way
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.monotonic()
        serve = subprocess.Popen([options.tool, "serve", "-p", pid, "--listen", "127.0.0.1:0", *flags],
                                 stderr=subprocess.PIPE, text=True)
        said = ""
        while not (found := re.search(r"http://\S+/metrics", said)):
            line = serve.stderr.readline()
            if not line:
                raise SystemExit(said)
            said += line
        end = begin + options.seconds - 1
        while every and time.monotonic() + every < end:
            time.sleep(every)
            pages.append(scrape(found.group()))
        time.sleep(max(0, end - time.monotonic()))
        serve.send_signal(signal.SIGTERM)
        serve.communicate(timeout=PATIENCE)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (time.monotonic() - begin)
    result = json.loads(run.communicate(timeout=PATIENCE)[0])
    return {"cpu_ns_per_op": result["server"]["cpu_ns"] / result["operations"], "serve_cpu": used, "pages": pages}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--conns", type=int, default=64)
    parser.add_argument("--ways", default=";".join(WAYS), help="some of them, with ; between")
    options = parser.parse_args()
    ways = ["alone"] + [way.strip() for way in options.ways.split(";") if way.strip() != "alone"]
    taken = {way: [] for way in ways}
    for number in range(options.rounds):
        for way in ways:
            print(f"round {number + 1} of {options.rounds}: {way}", file=sys.stderr)
            taken[way].append(once(options, WAYS[way]))
    rows = []
    for way in ways:
        quiet = way.split(",")[0]
        ratio = {to: [one["cpu_ns_per_op"] / other["cpu_ns_per_op"] for one, other in zip(taken[way], taken[to])]
                 for to in ("alone", quiet) if to in taken}
        rows.append({"way": way, "cpu_ns_per_op": spread([one["cpu_ns_per_op"] for one in taken[way]]),
                     "ratio_to_alone": spread(ratio["alone"]),
                     "ratio_to_nobody_asking": spread(ratio[quiet]) if quiet != way and quiet in ratio else None,
                     "serve_cpu_s_per_s": spread([one["serve_cpu"] for one in taken[way] if one["serve_cpu"] is not None]),
                     "page_s": spread([page for one in taken[way] for page in one["pages"]])})
    json.dump({"seconds": options.seconds, "rounds": options.rounds, "connections": options.conns, "ways": rows},
              sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
