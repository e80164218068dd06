#!/usr/bin/env python3
"""What counting costs beside the others: stat_cost.py --tool NETPOLL_TRACE --prey PACED_CALLS [--rounds 7]

Rounds take turns, so that a machine that drifts does so for all. Medians, with the least and the greatest; what is not
installed is named.

  calls    CPU time of one epoll_wait(timeout 0) of a busy program: alone, counted by each tool, and beside a program
           that each tool counts (the bystander)
  servers  CPU time of redis, nginx and a Go server per request, alone and counted
  program  a program of many calls that nobody counts (find), by ptrace and by strace: wall time
  start    wall time of /bin/true alone and under the tool, and the CPU time that this takes
"""

import argparse
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def spread(values, scale=1.0, digits=0):
    return (f"{statistics.median(values) / scale:,.{digits}f} ({min(values) / scale:,.{digits}f} to "
            f"{max(values) / scale:,.{digits}f})")


def in_turns(rounds, ways, measure):
    """way -> what measure returned in each round; a way that fails once is left out, aloud."""
    taken = {way: [] for way in ways}
    for _ in range(rounds):
        for way in list(taken):
            try:
                taken[way].append(measure(ways[way]))
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
                print(f"  {way}: left out: {error}")
                del taken[way]
    return taken


def counters(tool):
    """Who counts epoll_wait: name -> (prefix of a command, flags for a running process)."""
    everyone = {
        "ours": ([tool, "stat", "-q", "-o", "/dev/null", "--"], [tool, "stat", "-q", "-o", "/dev/null", "-p"]),
        "ours, counts only": ([tool, "stat", "-q", "--counts-only", "-o", "/dev/null", "--"],
                              [tool, "stat", "-q", "--counts-only", "-o", "/dev/null", "-p"]),
        "ours, perf": ([tool, "stat", "-q", "-o", "/dev/null", "--backend", "perf", "--"], None),
        "perf stat": (["perf", "stat", "-o", "/dev/null", "-e", "syscalls:sys_enter_epoll_wait", "--"],
                      ["perf", "stat", "-o", "/dev/null", "-e", "syscalls:sys_enter_epoll_wait", "-p"]),
        "perf trace -s": (["perf", "trace", "-s", "-o", "/dev/null", "--"],
                          ["perf", "trace", "-s", "-o", "/dev/null", "-p"]),
        "bpftrace": ("bpftrace", "count()"),
        "bpftrace, hist": ("bpftrace", "hist"),
        "strace -c -f": (["strace", "-c", "-f", "-o", "/dev/null", "--"], None),
    }
    found = {}
    for name, (command, running) in everyone.items():
        program = command if isinstance(command, str) else command[0]
        if shutil.which(program) is None:
            print(f"not installed: {program}")
            continue
        found[name] = (command, running)
    return found


def script(kind, pid):
    enter, leave = (f"tracepoint:raw_syscalls:sys_{end} /pid == {pid}/" for end in ("enter", "exit"))
    if kind == "count()":
        return f"{leave} {{ @[args->id] = count(); }}"
    return (f"{enter} {{ @s[tid] = nsecs; }} {leave} {{ @n[args->id] = count(); "
            f"@h[args->id] = hist(nsecs - @s[tid]); }}")


class Beside:
    """A tool that counts a running process; alone where there is none."""

    def __init__(self, counter, pid):
        self.process = None
        if counter is None:
            return
        command, running = counter
        if command == "bpftrace":
            command = ["bpftrace", "-e", "BEGIN { printf(\"attached\\n\"); } " + script(running, pid)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.DEVNULL, text=True)
            while "attached" not in (line := self.process.stdout.readline()):
                if not line:
                    raise ValueError("bpftrace ended")
            return
        if running is None:
            raise ValueError("counts commands only")
        self.process = subprocess.Popen([*running, str(pid)], **QUIET)
        time.sleep(0.5)  # perf does not say when it is ready
        if self.process.poll() is not None:
            raise ValueError(f"{running[0]} ended with {self.process.returncode}")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=120)


def calls(tool, prey, options):
    found = counters(tool)
    number = str(options.calls)

    def of_target(counter):
        prefix = [] if counter is None else counter[0]
        if prefix == "bpftrace":
            raise ValueError("only beside a running process")
        done = subprocess.run([*prefix, prey, number if "strace" not in str(prefix) else "20000"],
                              capture_output=True, text=True, check=True, timeout=300)
        return int(done.stdout.split()[0])

    def beside(counter):
        sleeper = subprocess.Popen(["sleep", "600"])
        try:
            with Beside(counter, sleeper.pid):
                done = subprocess.run([prey, number], capture_output=True, text=True, check=True, timeout=300)
                return int(done.stdout.split()[0])
        finally:
            sleeper.kill()
            sleeper.wait()

    for what, measure in (("the target", of_target), ("a bystander", beside)):
        print(f"CPU time of a call of {what}, ns")
        taken = in_turns(options.rounds, {"alone": None, **found}, measure)
        alone = taken["alone"]
        for way, values in taken.items():
            adds = [value - base for value, base in zip(values, alone)]
            print(f"  {way:15} {spread(values)}, adds {spread(adds)}")


def cpu_of(pid):
    """Nanoseconds that its threads ran (proc(5), schedstat)."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(number):
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", number)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def server_cost(name, pid, found, load, options):
    """load() returns the number of requests that it made."""
    def measure(counter):
        with Beside(counter, pid):
            before = cpu_of(pid)
            requests = load()
            return (cpu_of(pid) - before) / requests

    print(f"CPU time of {name} per request, us")
    taken = in_turns(options.rounds, {"alone": None, **found}, measure)
    alone = taken["alone"]
    for way, values in taken.items():
        ratios = [value / base for value, base in zip(values, alone)]
        print(f"  {way:15} {spread(values, 1e3, 2)}, {spread(ratios, 1, 3)} x alone")


def servers(tool, options):
    found = {name: way for name, way in counters(tool).items() if way[1] is not None}
    if shutil.which("redis-server") and shutil.which("redis-benchmark"):
        number = port()
        server = subprocess.Popen(["redis-server", "--port", str(number), "--save", ""], **QUIET)
        try:
            await_port(number)
            requests = options.requests

            def load():
                subprocess.run(["redis-benchmark", "-p", str(number), "-n", str(requests), "-c", "50", "-t", "get"],
                               check=True, timeout=300, **QUIET)
                return requests

            server_cost("redis, 50 connections", server.pid, found, load, options)
        finally:
            server.terminate()
            server.wait()
    else:
        print("not installed: redis-server, redis-benchmark")
    if not shutil.which("wrk"):
        print("not installed: wrk")
        return

    def under_wrk(name, pid, number):
        def load():
            done = subprocess.run(["wrk", "-t1", "-c50", "-d3s", f"http://127.0.0.1:{number}/"], check=True,
                                  capture_output=True, text=True, timeout=300)
            return int(next(line.split()[0] for line in done.stdout.splitlines() if "requests in" in line))

        await_port(number)
        server_cost(f"{name}, 50 connections", pid, found, load, options)

    if shutil.which("nginx"):
        nginx_server(under_wrk)
    else:
        print("not installed: nginx")
    if shutil.which("go"):
        go_server(under_wrk)
    else:
        print("not installed: go")


GO_SERVER = """package main
import ("net/http"; "os")
func main() {
  http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("yes")) })
  http.ListenAndServe(os.Args[1], nil)
}
"""


def go_server(measure):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "server.go"), "w", encoding="utf-8") as file:
            file.write(GO_SERVER)
        program = os.path.join(folder, "server")
        subprocess.run(["go", "build", "-o", program, file.name], check=True, env={**os.environ, "GO111MODULE": "off"})
        number = port()
        server = subprocess.Popen([program, f"127.0.0.1:{number}"], **QUIET)
        try:
            measure("Go's net/http", server.pid, number)
        finally:
            server.terminate()
            server.wait()


def nginx_server(measure):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        number = port()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        config = os.path.join(folder, "conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"daemon off; master_process off; pid {folder}/pid; error_log stderr crit; events {{ }} "
                       f"http {{ access_log off; keepalive_requests 1000000000; {paths} "
                       f"server {{ listen 127.0.0.1:{number}; location / {{ return 200 'yes'; }} }} }}")
        server = subprocess.Popen(["nginx", "-c", config, "-p", folder, "-e", "stderr"], **QUIET)
        try:
            measure("nginx", server.pid, number)
        finally:
            server.terminate()
            server.wait()


def wall(command):
    start = time.monotonic()
    subprocess.run(command, check=True, timeout=600, **QUIET)
    return (time.monotonic() - start) * 1e3


def program(tool, options):
    find = ["find", "/usr/lib"]
    ptrace = [tool, "stat", "-q", "-o", "/dev/null", "--backend", "ptrace"]
    ways = {
        "alone": find,
        "ours, ptrace": [*ptrace, "--", *find],
        "ours, filter": [*ptrace, "--kill-on-exit", "--", *find],
        "strace": ["strace", "--seccomp-bpf", "-f", "-c", "-o", "/dev/null", *find],
    }
    print("find /usr/lib, ms")
    taken = in_turns(options.rounds, ways, wall)
    for way, values in taken.items():
        ratios = [strace / value for strace, value in zip(taken["strace"], values)]
        print(f"  {way:15} {spread(values)}, strace takes {spread(ratios, 1, 1)} x as long")


def start(tool, options):
    def both(command):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = wall(command)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return took, cpu * 1e3

    ways = {"/bin/true": ["/bin/true"]}
    for backend in ("ebpf", "perf", "ptrace", "none"):
        ways[f"stat, {backend}"] = [tool, "stat", "-q", "-o", "/dev/null", "--backend", backend, "--", "/bin/true"]
    print("from start to end, ms")
    for way, values in in_turns(3 * options.rounds, ways, both).items():
        print(f"  {way:15} wall {spread([w for w, _ in values], 1, 1)}, CPU {spread([c for _, c in values], 1, 1)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--prey", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=300000)
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("parts", nargs="*", default=["calls", "servers", "program", "start"])
    options = parser.parse_args()
    if "calls" in options.parts:
        calls(options.tool, options.prey, options)
    if "servers" in options.parts:
        servers(options.tool, options)
    if "program" in options.parts:
        program(options.tool, options)
    if "start" in options.parts:
        start(options.tool, options)


if __name__ == "__main__":
    sys.exit(main())
