#!/usr/bin/env python3
"""Whole echo servers beside each other: echo_bench.py --bin BUILD/tests/bench [--part NAME]... [-o FILE]

One load generator (workload_child __load) drives all servers in turn. Every round runs every server once, in an order of
its own, and each result is compared with the plain epoll server of the same round: a machine that others use drifts by
more than the servers differ. Shown are the median of the ratios and their range.

Parts (default: all)
  echo      requests/s, latency, CPU time of the server per request; server and load on one core, and on two
  syscalls  system calls per request, by netpoll-trace or strace: the difference of a long and a short run. strace
            slows servers down so much that their epoll_wait counts change; reads and writes do not
  memory    resident memory per idle connection, after each has answered once; wake-ups and CPU time while idle
  busy      echo beside 8 goroutines that compute and yield, on 2 Ps, in every poll mode
  scaling   one P against two on two cores

The one-core placement has the least noise. CPU time is that of the server's process within the measured window, by its
CPU clock. Peers that were not built are listed as missing.
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
from pathlib import Path

from bench_table import print_table

OURS = ("hybrid", "thread", "inline")
TRIGGERS = ("edge", "oneshot", "level")
URING_VARIANTS = ("coop", "plain", "multishot", "zerocopy", "timeouts")


def pin(cpus):
    return (lambda: os.sched_setaffinity(0, cpus)) if cpus else None


class Spec:
    """A server that can be started: name, command, and whether it is libruntime's."""

    def __init__(self, name, command, ours=False):
        self.name, self.command, self.ours = name, command, ours


class Server:
    """A running server; address and pid are known once it is constructed. `prefix` is a tracer to run it under."""

    def __init__(self, spec, cpus=None, prefix=()):
        self.spec, self.version = spec, ""
        command = list(prefix) + spec.command
        if spec.ours:
            control_read, self.control = os.pipe()
            self.report, report_write = os.pipe()
            for fd in (control_read, report_write):
                os.set_inheritable(fd, True)
            command += [f"--control-fd={control_read}", f"--report-fd={report_write}"]
            self.process = subprocess.Popen(command, pass_fds=(control_read, report_write), preexec_fn=pin(cpus))
            os.close(control_read)
            os.close(report_write)
            self.lines = os.fdopen(self.report)
            message = json.loads(self.lines.readline() or '{"type":"failure","message":"it died"}')
            if message["type"] != "listening":
                raise RuntimeError(f"{spec.name}: {message.get('message')}")
            self.pid, self.address = message["pid"], (message["addresses"] or [None])[0]
        else:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                            preexec_fn=pin(cpus))
            first = self.process.stdout.readline().split(maxsplit=1)
            if not first:
                raise RuntimeError(f"{spec.name} did not start")
            self.address, self.version = first[0], first[1].strip()
            self.pid = self.process.pid

    def stop(self):
        """Ends it; returns the result line of one of ours."""
        result = None
        if self.spec.ours:
            os.close(self.control)
            for line in self.lines:
                message = json.loads(line)
                if message["type"] == "result":
                    result = message
            self.lines.close()
        else:
            self.process.stdin.close()
            self.process.stdout.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"{self.spec.name} did not end")
        return result

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Bench:
    def __init__(self, options):
        self.options = options
        self.bin = options.bin
        self.random = random.Random(options.seed)
        self.versions = {}
        self.missing = []
        self.cpus = sorted(os.sched_getaffinity(0))

    # --- servers

    def ours(self, mode="hybrid", trigger="edge", procs=1, workload="echo", **more):
        name = (f"libruntime {mode} {more.get('poller', trigger)}" + (f" {procs}P" if procs != 1 else "") +
                (" at rest" if more.get("rest") else ""))
        command = [str(self.bin / "workload_child"), "__serve", f"--workload={workload}", f"--poll-mode={mode}",
                   f"--trigger={trigger}", f"--procs={procs}", "--conns=20", "--size=64"]
        return Spec(name, command + [f"--{k.replace('_', '-')}={v}" for k, v in more.items()], ours=True)

    def peers(self, names=("plain_echo", "plain_uring_echo", "uv_echo", "asio_echo", "go_echo")):
        labels = {"plain_echo": "plain epoll", "plain_uring_echo": "plain io_uring", "uv_echo": "libuv", "asio_echo": "Boost.Asio", "go_echo": "Go"}
        found = []
        for name in names:
            if (self.bin / name).exists():
                found.append(Spec(labels[name], [str(self.bin / name)]))
            elif labels[name] not in self.missing:
                self.missing.append(labels[name])
        return found

    def have_uring(self):
        """Whether this machine lets libruntime have io_uring; otherwise it is listed as missing."""
        if not hasattr(self, "uring"):
            try:
                with self.start(self.ours(poller="uring")) as server:
                    server.stop()
                self.uring = True
            except RuntimeError:
                self.uring = False
                self.missing.append("libruntime over io_uring")
        return self.uring

    def all_servers(self):
        servers = self.peers()
        modes = OURS if self.options.all_modes else ("hybrid",)
        triggers = TRIGGERS if self.options.all_modes else ("edge",)
        over_uring = [self.ours(m, poller="uring") for m in modes] if self.have_uring() else []
        if self.options.uring_variants and (self.bin / "plain_uring_echo").exists():
            over_uring += [Spec(f"plain io_uring, {kind}", [str(self.bin / "plain_uring_echo"), kind])
                           for kind in URING_VARIANTS]
        at_rest = [self.ours(rest=1)] + ([self.ours(poller="uring", rest=1)] if self.have_uring() else [])
        return servers + [self.ours(m, t) for m in modes for t in triggers] + over_uring + at_rest

    def start(self, spec, cpus=None, prefix=()):
        server = Server(spec, cpus, prefix)
        if server.version:
            self.versions[spec.name] = server.version
        return server

    # --- load

    def begin_load(self, server, cpus=None, workload="echo", **plan):
        plan = {"conns": 1, "size": self.options.size} | plan
        command = [str(self.bin / "workload_child"), "__load", f"--workload={workload}",
                   f"--address={server.address}", f"--server-pid={server.pid}"]
        command += [f"--{k.replace('_', '-')}={v}" for k, v in plan.items()]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=pin(cpus))

    def end_load(self, process, server):
        for line in process.stdout:
            message = json.loads(line)
            if message["type"] == "failure":
                process.wait()
                raise RuntimeError(f"{server.spec.name}: {message['message']}")
            if message["type"] == "result":
                process.wait()
                return message
        raise RuntimeError(f"{server.spec.name}: the load generator died")

    def load(self, server, cpus=None, workload="echo", **plan):
        return self.end_load(self.begin_load(server, cpus, workload, **plan), server)

    def progress(self, text):
        if sys.stderr.isatty() or self.options.verbose:
            print(text, file=sys.stderr, flush=True)

    def shuffled(self, items):
        items = list(items)
        self.random.shuffle(items)
        return items

    # --- parts

    def part_echo(self):
        servers = self.all_servers()
        one = {self.cpus[0]}
        placements = {"one core": (one, one)}
        if len(self.cpus) > 1:
            placements["two cores"] = (one, {self.cpus[1]})
        samples = {}
        for round_ in range(self.options.rounds):
            for placement, (server_cpus, load_cpus) in placements.items():
                for conns in self.options.conns:
                    for spec in self.shuffled(servers):
                        with self.start(spec, server_cpus) as server:
                            ops = self.options.ops or (30_000 if conns == 1 else 100_000)
                            result = self.load(server, load_cpus, conns=conns, ops=ops, warmup=max(conns, ops // 10))
                            server.stop()
                        samples.setdefault((placement, conns, spec.name), []).append({
                            "cpu_ns_per_request": result["server_cpu_ns"] / result["operations"],
                            "requests_per_s": result["requests_per_s"],
                            "p50_ns": result["latency_ns"]["p50"],
                            "p99_ns": result["latency_ns"]["p99"],
                        })
                        self.progress(f"echo round {round_ + 1}: {placement}, {conns} connections, {spec.name}: "
                                      f"{samples[placement, conns, spec.name][-1]['cpu_ns_per_request']:.0f} ns")
        rows = []
        for placement in placements:
            for conns in self.options.conns:
                for spec in servers:
                    mine = samples[placement, conns, spec.name]
                    row = {"placement": placement, "connections": conns, "server": spec.name}
                    row |= {key: spread([s[key] for s in mine]) for key in mine[0]}
                    for base, name in (("plain epoll", "cpu_vs_plain"), ("Go", "cpu_vs_go")):
                        other = samples.get((placement, conns, base))
                        row[name] = spread([a["cpu_ns_per_request"] / b["cpu_ns_per_request"]
                                            for a, b in zip(mine, other)]) if other else None
                    rows.append(row)
        return rows

    def part_syscalls(self):
        tracer = self.options.tracer
        if not tracer:
            return {"skipped": "neither netpoll-trace (--tracer) nor strace found"}
        servers = self.all_servers()
        rows = []
        for conns in self.options.conns:
            for spec in self.shuffled(servers):
                runs = []
                for round_ in range(5):
                    long, short = (self.count_syscalls(tracer, spec, conns, ops) for ops in (20_000 + conns, conns))
                    runs.append({name: (long.get(name, 0) - short.get(name, 0)) / 20_000
                                 for name in set(long) | set(short)})
                    self.progress(f"syscalls: {conns} connections, {spec.name}, run {round_ + 1}")
                names = sorted({name for run in runs for name in run})
                per_op = {name: statistics.median(run.get(name, 0) for run in runs) for name in names}
                rows.append({"connections": conns, "server": spec.name,
                             "per_request": {n: v for n, v in per_op.items() if abs(v) >= 0.0005},
                             "total": spread([sum(run.values()) for run in runs])})
        rows.sort(key=lambda row: (row["connections"], [s.name for s in servers].index(row["server"])))
        return {"tracer": os.path.basename(tracer), "rows": rows}

    def count_syscalls(self, tracer, spec, conns, ops):
        """All counted system calls of a server's life with one load."""
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "counts")
            if os.path.basename(tracer) == "strace":
                prefix = [tracer, "-f", "-c", "-qq", "-o", out]
            else:
                prefix = [tracer, "stat", "--json", "-q", "-o", out, "--"]
            with self.start(spec, prefix=prefix) as server:
                self.load(server, conns=conns, ops=ops)
                server.stop()
            with open(out, encoding="utf-8") as file:
                text = file.read()
        if os.path.basename(tracer) == "strace":
            # "% time  seconds  usecs/call  calls  [errors]  syscall"
            rows = [line.split() for line in text.splitlines() if line[:1].strip() == "" or line[:1].isdigit()]
            return {r[-1]: int(r[3]) for r in rows if len(r) >= 5 and r[3].isdigit() and r[-1] != "total"}
        return {name: entry["count"] for name, entry in json.loads(text)["syscalls"].items()}

    def part_memory(self):
        conns = min(self.options.idle_conns, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
        servers = [
            (self.ours(workload="idle", hold=1), "libruntime, 4 KiB buffer held"),
            (self.ours(workload="idle", hold=0), "libruntime, buffer taken when readable"),
            (self.ours(workload="idle", rest=1), "libruntime, at rest"),
        ] + ([
            (self.ours(workload="idle", hold=1, poller="uring"), "libruntime over uring, 4 KiB buffer held"),
            (self.ours(workload="idle", hold=0, poller="uring"), "libruntime over uring, buffer taken when readable"),
            (self.ours(workload="idle", rest=1, poller="uring"), "libruntime over uring, at rest"),
        ] if self.have_uring() else []) + [(spec, spec.name) for spec in self.peers()]
        samples = {}
        for round_ in range(min(3, self.options.rounds)):
            for spec, label in self.shuffled(servers):
                with self.start(spec) as server:
                    before = rss_bytes(server.pid)
                    process = self.begin_load(server, workload="idle", conns=conns, size=16, warmup=conns,
                                              duration_ns=5_000_000_000)
                    while json.loads(process.stdout.readline())["type"] != "connected":
                        pass
                    wait_until_quiet(server.pid)
                    idle_begin = activity(server.pid)
                    time.sleep(2)
                    idle_end = activity(server.pid)
                    during = rss_bytes(server.pid)
                    self.end_load(process, server)
                    server.stop()
                samples.setdefault(label, []).append({
                    "bytes_per_connection": (during - before) / conns,
                    "wakeups_per_s": (idle_end["switches"] - idle_begin["switches"]) / 2,
                    "cpu_ns_per_s": (idle_end["cpu_ns"] - idle_begin["cpu_ns"]) / 2,
                })
                self.progress(f"memory round {round_ + 1}: {label}: {samples[label][-1]['bytes_per_connection']:.0f}")
        return {"connections": conns,
                "rows": [{"server": label} | {k: spread([s[k] for s in samples[label]]) for k in samples[label][0]}
                         for _, label in servers]}

    def part_busy(self):
        servers = [self.ours(mode, "edge", 2, "cpu", busy=8) for mode in OURS]
        go = self.peers(("go_echo",))
        servers += [Spec("Go 2P", spec.command + ["-procs", "2", "-busy", "8"]) for spec in go]
        samples = {}
        for round_ in range(self.options.rounds):
            for spec in self.shuffled(servers):
                with self.start(spec) as server:
                    result = self.load(server, conns=4, duration_ns=2_000_000_000)
                    server.stop()
                samples.setdefault(spec.name, []).append({
                    "p50_ns": result["latency_ns"]["p50"], "p99_ns": result["latency_ns"]["p99"],
                    "requests_per_s": result["requests_per_s"]})
                self.progress(f"busy round {round_ + 1}: {spec.name}: {samples[spec.name][-1]['p50_ns'] / 1e3:.0f} us")
        return [{"server": spec.name} | {k: spread([s[k] for s in samples[spec.name]]) for k in samples[spec.name][0]}
                for spec in servers]

    def part_scaling(self):
        go = self.peers(("go_echo",))
        pairs = [("libruntime hybrid edge", self.ours(procs=1), self.ours(procs=2))]
        pairs += [("Go", Spec("Go 1P", s.command + ["-procs", "1"]), Spec("Go 2P", s.command + ["-procs", "2"]))
                  for s in go]
        samples = {}
        for round_ in range(self.options.rounds):
            for conns in (c for c in self.options.conns if c > 1):
                for name, *servers in self.shuffled(pairs):
                    rates = []
                    for spec in servers:
                        with self.start(spec) as server:
                            ops = self.options.ops or 100_000
                            result = self.load(server, conns=conns, ops=ops, warmup=max(conns, ops // 10))
                            server.stop()
                        rates.append(result["requests_per_s"])
                    samples.setdefault((conns, name), []).append(rates)
                    self.progress(f"scaling round {round_ + 1}: {name}, {conns}: {rates[1] / rates[0]:.2f}")
        return [{"connections": conns, "server": name,
                 "one_p_requests_per_s": spread([r[0] for r in rates]),
                 "two_p_requests_per_s": spread([r[1] for r in rates]),
                 "two_vs_one": spread([r[1] / r[0] for r in rates])}
                for (conns, name), rates in sorted(samples.items())]

    PARTS = {"echo": part_echo, "syscalls": part_syscalls, "memory": part_memory, "busy": part_busy,
             "scaling": part_scaling}

    def run(self):
        begin = time.time()
        results = {name: self.PARTS[name](self) for name in self.options.part or self.PARTS}
        return {
            "schema": "netpoll-trace/bench-echo/v1",
            "host": {"kernel": platform.release(), "arch": platform.machine(), "cpus": len(self.cpus),
                     "load_average": os.getloadavg()[0]},
            "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin)),
            "duration_s": round(time.time() - begin, 1),
            "rounds": self.options.rounds, "message_bytes": self.options.size, "seed": self.options.seed,
            "versions": self.versions, "missing": self.missing, "parts": results,
        }


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def rss_bytes(pid):
    """Resident anonymous memory: pages of the program's file are shared and come with use, not with connections."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"no RssAnon of {pid}")


def activity(pid):
    """Context switches and CPU time of all threads."""
    switches = cpu_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            cpu_ns += int((task / "schedstat").read_text().split()[0])
            for line in (task / "status").read_text().splitlines():
                if "ctxt_switches" in line:
                    switches += int(line.split()[1])
        except FileNotFoundError:
            pass  # a thread that ended
    return {"switches": switches, "cpu_ns": cpu_ns}


def wait_until_quiet(pid):
    """Until two looks 200 ms apart see the same CPU time, at most two seconds: connections were just accepted."""
    for _ in range(10):
        before = activity(pid)["cpu_ns"]
        time.sleep(0.2)
        if activity(pid)["cpu_ns"] == before:
            return


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True, help="where workload_child, plain_echo and the peers are")
    parser.add_argument("--part", action="append", choices=Bench.PARTS, help="run this part; repeatable")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--conns", type=lambda s: [int(n) for n in s.split(",")], default=[1, 64, 1000])
    parser.add_argument("--ops", type=int, default=0, help="requests per measurement (default: 30,000 or 100,000)")
    parser.add_argument("--size", type=int, default=64, help="bytes of a message")
    parser.add_argument("--idle-conns", type=int, default=10_000)
    parser.add_argument("--all-modes", action="store_true", help="all nine poll modes and triggers, not just the default")
    parser.add_argument("--uring-variants", action="store_true",
                        help="also the other ways to build the bare loop over io_uring")
    parser.add_argument("--tracer", help="strace or netpoll-trace, for `syscalls` (default: netpoll-trace of the same "
                                         "build, else strace)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of servers")
    parser.add_argument("-o", "--output", type=Path, help="write the JSON document here (default: stdout)")
    parser.add_argument("-v", "--verbose", action="store_true", help="progress also without a terminal")
    options = parser.parse_args(argv)
    if options.tracer is None:
        built = options.bin.resolve().parents[1] / "cli" / "netpoll-trace"
        options.tracer = str(built) if built.exists() else shutil.which("strace")
    return options


def main(argv):
    options = parse(argv)
    if not (options.bin / "workload_child").exists():
        sys.exit(f"{options.bin} has no workload_child: build the targets of tests/bench first")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    document = Bench(options).run()
    text = json.dumps(document, indent=1)
    if options.output:
        temporary = options.output.with_name(options.output.name + ".tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(options.output)
        print_table(document)
    else:
        print(text)
        print_table(document, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
