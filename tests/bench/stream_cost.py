#!/usr/bin/env python3
"""What streaming costs: stream_cost.py --tool NETPOLL_TRACE --bin BUILD/tests/bench [--rounds 5]

The CPU time that a step of a busy program takes alone and while somebody looks, in rounds that take turns: a call of
epoll_wait that is in the stream, one of a Go program, one that is not in the stream, one of another process, a call that
stat counts; and a goroutine of libruntime whose tracepoints go through its rings. Then the CPU time of the tool itself
per event, and whether a steady stream of 300,000 events a second for 10 s, and a burst of 80,000, are complete. Medians,
with the least and the greatest.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time


def cpu_of(command):
    """What a prey prints: ns of CPU a step."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def end_line(path):
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(-min(4096, file.tell()), os.SEEK_END)
        return json.loads(file.read().splitlines()[-1])


class Bench:
    def __init__(self, options):
        self.tool, self.rounds, self.calls = options.tool, options.rounds, str(options.calls)
        self.calls_prey = os.path.join(options.bin, "paced_calls")
        self.go_prey = os.path.join(options.bin, "go_paced_calls")
        self.goroutines_prey = os.path.join(options.bin, "paced_goroutines")

    def traced(self, *flags):
        return [self.tool, "trace", "-f", "ndjson", "-o", "/dev/null", *flags, "--"]

    def beside_a_trace(self):
        """A call of a process that is not traced, while another is."""
        idle = subprocess.Popen(["sleep", "1000"])
        tracer = subprocess.Popen([self.tool, "trace", "-v", "-p", str(idle.pid), "-f", "ndjson", "-o", "/dev/null"],
                                  stderr=subprocess.PIPE, text=True)
        try:
            while "attached" not in tracer.stderr.readline():
                pass
            return cpu_of([self.calls_prey, self.calls])
        finally:
            tracer.terminate()
            tracer.communicate()
            idle.kill()
            idle.wait()

    def per_tracepoint(self):
        """What a tracepoint of libruntime takes longer while its rings are read."""
        count = "2000000"
        alone = cpu_of([self.goroutines_prey, count])
        with tempfile.NamedTemporaryFile() as out:
            done = subprocess.run([self.tool, "trace", "--backend", "self", "--summary", "--json", "-o", out.name, "--",
                                   self.goroutines_prey, count], capture_output=True, text=True, check=True)
            with open(out.name, encoding="utf-8") as file:
                summary = json.load(file)
        return (int(done.stdout.split()[0]) - alone) * int(count) / (summary["seen"] + summary["lost"])

    def costs(self):
        ways = {
            "epoll_wait alone": lambda: cpu_of([self.calls_prey, self.calls]),
            "epoll_wait in the stream": lambda: cpu_of([*self.traced("-e", "epoll"), self.calls_prey, self.calls]),
            "epoll_wait not in the stream": lambda: cpu_of([*self.traced("-e", "accept4"), self.calls_prey, self.calls]),
            "epoll_wait of another process": self.beside_a_trace,
            "epoll_wait counted by stat": lambda: cpu_of([self.tool, "stat", "--json", "-o", "/dev/null", "--",
                                                          self.calls_prey, self.calls]),
        }
        if os.path.exists(self.go_prey):
            ways["Go: alone"] = lambda: cpu_of([self.go_prey, self.calls])
            ways["Go: in the stream"] = lambda: cpu_of([*self.traced("-e", "epoll"), self.go_prey, self.calls])
        if os.path.exists(self.goroutines_prey):
            ways["a tracepoint through a ring, more"] = self.per_tracepoint
        taken = {way: [] for way in ways}
        for _ in range(self.rounds):
            for way, measure in ways.items():
                taken[way].append(measure())
        alone = {"epoll_wait": "epoll_wait alone", "Go:": "Go: alone"}
        for way, values in taken.items():
            base = alone.get(way.split()[0])
            added = f", adds {statistics.median(values) - statistics.median(taken[base]):5.0f}" if base else ""
            print(f"{way:34} {statistics.median(values):5.0f} ns ({min(values):.0f} to {max(values):.0f}){added}")

    def own_cost(self, what, *flags):
        prey = subprocess.Popen([self.calls_prey, "3000000", "300000"], stdout=subprocess.DEVNULL)
        time.sleep(0.2)
        with tempfile.NamedTemporaryFile() as out:
            tracer = subprocess.Popen([self.tool, "trace", "-p", str(prey.pid), "-d", "5s", "-e", "epoll_wait", "-o",
                                       out.name, *flags], stderr=subprocess.DEVNULL)
            _, _, usage = os.wait4(tracer.pid, 0)
            tracer.returncode = 0
            if "--summary" in flags:
                with open(out.name, encoding="utf-8") as file:
                    events = json.load(file)["events"]
            else:
                events = end_line(out.name)["events"]
        prey.kill()
        prey.wait()
        print(f"the tool, {what}: {usage.ru_utime * 1e9 / events:.0f} ns an event of its own, "
              f"{usage.ru_stime * 1e9 / events:.0f} ns in the kernel")

    def is_complete(self, what, *arguments):
        # Not into a file: the disk would be what is measured.
        last = subprocess.Popen(["tail", "-n", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        subprocess.run([self.tool, "trace", "-f", "ndjson", "-o", f"/dev/fd/{last.stdin.fileno()}", "-e", "epoll_wait", "--",
                        self.calls_prey, *arguments], capture_output=True, check=True, pass_fds=(last.stdin.fileno(),))
        out, _ = last.communicate()
        end = json.loads(out)
        print(f"{what}: {end['events']:,} events, {end['lost'] - end['lost_output']:,} lost before the tool, "
              f"{end['lost_output']:,} because tail was too slow")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=300000)
    bench = Bench(parser.parse_args())
    bench.costs()
    bench.own_cost("ndjson", "-f", "ndjson")
    bench.own_cost("summary", "--summary", "--json")
    bench.is_complete("300,000/s for 10 s", "3000000", "300000")
    bench.is_complete("a burst of 80,000", "80000")


if __name__ == "__main__":
    main()
