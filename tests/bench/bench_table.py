"""The tables of echo_bench.py: bench_table.py FILE shows those of a JSON document."""

import json
import sys


def rows_text(header, rows):
    """Aligned columns; the first is flush left, the others flush right; "by call" is text and flush left too."""
    cells = [header] + rows
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    left = [i == 0 or name == "by call" for i, name in enumerate(header)]
    return ["  ".join(cell.ljust(width) if flush_left else cell.rjust(width)
                      for cell, width, flush_left in zip(row, widths, left)).rstrip() for row in cells]


def number(value, scale=1.0, digits=1):
    return f"{value['median'] / scale:,.{digits}f}"


def ranged(value, scale=1.0, digits=2):
    """median (min-max)"""
    if value is None:
        return "-"
    low, middle, high = (f"{value[key] / scale:,.{digits}f}" for key in ("min", "median", "max"))
    return f"{middle} ({low}-{high})"


def echo_lines(rows):
    for placement in dict.fromkeys(row["placement"] for row in rows):
        for conns in dict.fromkeys(row["connections"] for row in rows):
            chosen = [r for r in rows if r["placement"] == placement and r["connections"] == conns]
            yield f"echo, {conns} connection{'s' if conns > 1 else ''}, server and load on {placement}"
            yield from rows_text(
                ["server", "CPU us/request", "vs plain (min-max)", "vs Go (min-max)", "requests/s", "p50 us", "p99 us"],
                [[r["server"], number(r["cpu_ns_per_request"], 1e3, 2), ranged(r["cpu_vs_plain"]),
                  ranged(r["cpu_vs_go"]), number(r["requests_per_s"], 1, 0), number(r["p50_ns"], 1e3),
                  number(r["p99_ns"], 1e3)] for r in chosen])
            yield ""


def syscalls_lines(part):
    if "skipped" in part:
        yield "system calls per request: " + part["skipped"]
        return
    yield f"system calls per request, counted by {part['tracer']}, median of five runs"
    yield from rows_text(
        ["server", "connections", "total (min-max)", "by call"],
        [[r["server"], str(r["connections"]), ranged(r["total"], 1, 3),
          ", ".join(f"{n} {v:.3f}" for n, v in sorted(r["per_request"].items(), key=lambda i: -i[1]))]
         for r in part["rows"]])
    yield ""


def memory_lines(part):
    yield f"{part['connections']:,} idle connections"
    yield from rows_text(
        ["server", "bytes/connection", "wake-ups/s", "CPU us/s"],
        [[r["server"], ranged(r["bytes_per_connection"], 1, 0), number(r["wakeups_per_s"]),
          number(r["cpu_ns_per_s"], 1e3)] for r in part["rows"]])
    yield ""


def busy_lines(rows):
    yield "echo, 4 connections, beside 8 goroutines that compute and yield, 2 Ps"
    yield from rows_text(["server", "p50 us (min-max)", "p99 us", "requests/s"],
                         [[r["server"], ranged(r["p50_ns"], 1e3, 0), number(r["p99_ns"], 1e3, 0),
                           number(r["requests_per_s"], 1, 0)] for r in rows])
    yield ""


def scaling_lines(rows):
    yield "one P against two, two cores"
    yield from rows_text(["server", "connections", "1 P requests/s", "2 P requests/s", "2 P / 1 P (min-max)"],
                         [[r["server"], str(r["connections"]), number(r["one_p_requests_per_s"], 1, 0),
                           number(r["two_p_requests_per_s"], 1, 0), ranged(r["two_vs_one"])] for r in rows])
    yield ""


LINES = {"echo": echo_lines, "syscalls": syscalls_lines, "memory": memory_lines, "busy": busy_lines,
         "scaling": scaling_lines}


def print_table(document, file=sys.stdout):
    for name, part in document["parts"].items():
        for line in LINES[name](part):
            print(line, file=file)
    versions = ", ".join(sorted(set(document["versions"].values())))
    host = document["host"]
    print(f"{document['rounds']} rounds, {document['message_bytes']}-byte messages, {host['cpus']} CPUs, "
          f"Linux {host['kernel']}; {versions}", file=file)
    if document["missing"]:
        print("not installed, so missing: " + ", ".join(document["missing"]), file=file)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as source:
        print_table(json.load(source))
