#!/usr/bin/env python3
"""trace names the goroutine of each call of a Go program, and its labels: trace_go_test.py BINARY BUILDS

The program makes calls that say who makes them (tests/testprogs/go/server/speak.go). BUILDS is where those of it are, one
for each version of Go and way of building; what is in its list and was not made is said, and left out.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys

BINARY, BUILDS = sys.argv[1], pathlib.Path(sys.argv[2])
PATIENCE = 120
SKIPPED = 77


def check(ok, what):
    if not ok:
        sys.exit(f"FAILED: {what}")


def line_with(stream, text):
    said = ""
    while text not in said:
        line = stream.readline()
        check(line, f"ended before it said {text!r}: {said}")
        said += line
    return said


def works(backend):
    done = subprocess.run([BINARY, "trace", "--backend", backend, "-f", "ndjson", "-o", "/dev/null", "--", "true"],
                          capture_output=True, timeout=PATIENCE)
    return done.returncode == 0


def examine(program, backend):
    """How many calls of C there were."""
    target = subprocess.Popen([program, "speak"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line_with(target.stdout, "ready")
        tracer = subprocess.Popen([BINARY, "trace", "-v", "--backend", backend, "-p", str(target.pid), "-f", "ndjson", "-e",
                                   "write"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line_with(tracer.stderr, "attached")
        target.stdin.write("x")
        target.stdin.flush()
        line_with(target.stdout, "spoken")
        tracer.send_signal(signal.SIGINT)
        out, err = tracer.communicate(timeout=PATIENCE)
        check(tracer.returncode == 130, f"status {tracer.returncode}: {err}")
    finally:
        target.kill()
        target.communicate()
    lines = [json.loads(line) for line in out.splitlines()]
    check(lines[-1]["lost"] == 0, "nothing is lost")
    # What the program says last may not have returned when we leave.
    writes = [line for line in lines if line["type"] == "event" and line["name"] == "write" and "unfinished" not in line]
    of_goroutine = {}
    for event in writes:
        count = event["args"]["count"]
        if count > 1000:
            check(event.get("goid") == count - 1000, f"goroutine {count - 1000} made {event}")
            check(set(event.get("labels", {})) == {"worker"}, f"labels of {event}")
            of_goroutine.setdefault(event["goid"], []).append(event["labels"]["worker"])
    check(len(of_goroutine) == 8, f"8 goroutines, not {len(of_goroutine)}")
    check(all(len(workers) == 50 and len(set(workers)) == 1 for workers in of_goroutine.values()), "50 writes each")
    check({workers[0] for workers in of_goroutine.values()} == {str(i) for i in range(8)}, "each has its label")
    in_c = [event for event in writes if event["args"]["count"] == 5]
    for event in in_c:
        check("goid" not in event, f"a call of C is nobody's: {event}")
    return len(in_c)


def main():
    backends = [backend for backend in ("ebpf", "ptrace") if works(backend)]
    if not backends:
        print("skipped: neither eBPF nor ptrace works here")
        return SKIPPED
    wanted = (BUILDS / "wanted").read_text().split()
    examined = 0
    in_c = 0
    for name in wanted:
        program = BUILDS / name
        if not os.access(program, os.X_OK):
            print(f"skipped: {name}, which was not made here")
            continue
        for backend in backends:
            in_c += examine(str(program), backend)
        print(f"{name}: {', '.join(backends)}")
        examined += 1
    if examined == 0:
        return SKIPPED
    print(f"{in_c} calls of C")
    return 0


if __name__ == "__main__":
    sys.exit(main())
