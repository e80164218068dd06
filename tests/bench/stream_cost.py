#!/usr/bin/env python3
"""What streaming costs: stream_cost.py --tool NETPOLL_TRACE --prey PACED_CALLS [--rounds 5]

The CPU time that one call of a busy program takes alone, while trace streams its calls, and while stat counts them, in
rounds that take turns; and whether a steady stream of 300,000 events a second for 10 s, and a burst of 80,000, are
complete. Medians, with the least and the greatest.
"""

import argparse
import json
import statistics
import subprocess
import tempfile


def cpu_per_call(command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def stream(tool, prey, *arguments):
    """The end line of a trace of the prey."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([tool, "trace", "-f", "ndjson", "-o", out.name, "-e", "epoll_wait", "--", prey, *arguments],
                       capture_output=True, check=True)
        with open(out.name, "rb") as file:
            file.seek(-4096, 2)
            return json.loads(file.read().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--prey", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=300000)
    options = parser.parse_args()
    ways = {
        "alone": [],
        "trace": [options.tool, "trace", "-f", "ndjson", "-o", "/dev/null", "-e", "epoll_wait", "--"],
        "stat": [options.tool, "stat", "--json", "-o", "/dev/null", "--"],
    }
    taken = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, before in ways.items():
            taken[way].append(cpu_per_call([*before, options.prey, str(options.calls)]))
    alone = statistics.median(taken["alone"])
    for way, values in taken.items():
        median = statistics.median(values)
        print(f"{way:6} {median:6.0f} ns a call ({min(values)} to {max(values)}), adds {median - alone:6.0f}")
    for what, arguments in (("300,000/s for 10 s", ("3000000", "300000")), ("a burst of 80,000", ("80000",))):
        end = stream(options.tool, options.prey, *arguments)
        print(f"{what}: {end['events']:,} events, {end['lost']:,} lost")


if __name__ == "__main__":
    main()
