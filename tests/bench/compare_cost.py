#!/usr/bin/env python3
"""What compare costs: compare_cost.py --tool NETPOLL_TRACE [--samples 10000] [--rounds 5]

Two results of `stat -r` are blown up to so many samples each, with other numbers, and compared. JSON on standard output:
seconds of wall and of CPU time (median, least, greatest), and the most memory.
"""

import argparse
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def varied(value):
    """The same with other numbers where they are large enough to be a measurement's."""
    if isinstance(value, dict):
        return {name: varied(member) for name, member in value.items()}
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 1000:
        return value
    return type(value)(value * random.uniform(1, 1.1))


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--samples", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([options.tool, "stat", "-q", "-r", "3", "--json", "-o", folder / "result", "--", "true"], check=True)
        result = json.loads((folder / "result").read_text(encoding="utf-8"))
        samples = result["samples"]
        for side in ("base", "head"):
            result["samples"] = [varied(samples[i % len(samples)]) for i in range(options.samples)]
            (folder / side).write_text(json.dumps(result), encoding="utf-8")
        wall, cpu = [], []
        for _ in range(options.rounds):
            begin, before = time.monotonic(), os.times()
            subprocess.run([options.tool, "compare", folder / "base", folder / "head"], check=True,
                           stdout=subprocess.DEVNULL)
            after = os.times()
            wall.append(time.monotonic() - begin)
            cpu.append(after.children_user + after.children_system - before.children_user - before.children_system)
        size = (folder / "head").stat().st_size
    json.dump({"samples": options.samples, "bytes_a_file": size, "wall_s": spread(wall), "cpu_s": spread(cpu),
               "max_rss_kb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
