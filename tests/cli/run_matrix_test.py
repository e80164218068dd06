#!/usr/bin/env python3
"""Runs several designs and repeats one: run_matrix_test.py BINARY

What the documents say of their own samples is computed again here; what must differ between designs is known from what
they are: oneshot arms interest for each wait, edge once a connection.
"""

import json
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from checks import check, exit_status, follows_schema  # noqa: E402

BINARY = sys.argv[1]
WORK = ["run", "echo", "--conns", "4", "--ops", "400"]


def tool(*arguments, status=0):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=240)
    check(done.returncode == status, f"{arguments} ended with {done.returncode}", done.stderr)
    return done


def validate(document):
    follows_schema(document, lambda kind: tool("help", "schema", kind).stdout)


def designs():
    document = json.loads(tool(*WORK, "--poll-mode", "thread,inline", "--trigger", "oneshot,edge", "--repeat", "4",
                               "--json").stdout)
    validate(document)
    cells = document["cells"]
    check(list(cells) == ["thread-oneshot-epoll", "thread-edge-epoll", "inline-oneshot-epoll", "inline-edge-epoll"],
          "every combination, in the order asked for", list(cells))
    check(document["base"] == "thread-oneshot-epoll", "the first is what the others are compared with")
    starts = {}
    for name, cell in cells.items():
        check(cell["runs"] == len(cell["samples"]) == 4, f"{name} ran in every round", cell["runs"])
        for run in cell["samples"]:
            check("-".join(run["workload"][key] for key in ("poll_mode", "trigger", "poller")) == name,
                  "a sample is of the design that it stands under", run["workload"])
            check(run["operations"] == 400, "every run is whole")
        starts[name] = [run["started_at"] for run in cell["samples"]]
        rates = [run["operations_per_s"] for run in cell["samples"]]
        figure = cell["figures"]["operations_per_s"]
        check(abs(figure["median"] - statistics.median(rates)) < 0.01, "the median is the samples'", figure)
        check(abs(figure["min"] - min(rates)) < 0.01 and abs(figure["max"] - max(rates)) < 0.01, "so is the range")
    order = [sorted(starts, key=lambda name: starts[name][number]) for number in range(4)]
    check(len({names[0] for names in order}) == 4, "each is first once", order)

    rearm = cells["thread-oneshot-epoll"]["figures"]["epoll_ctl_per_op"]
    once = cells["thread-edge-epoll"]["figures"]["epoll_ctl_per_op"]
    check(rearm["median"] > 0.9 and once["median"] < 0.1, "oneshot arms per wait, edge per connection", (rearm, once))
    check(rearm["verdict"] is None and once["verdict"] == "changed" and once["effect"] == 0,
          "a difference without overlap is one", once)


def page():
    table = tool(*WORK, "--trigger", "oneshot,edge", "-r", "1").stdout
    check("inconclusive" not in table and "fewer than 4 rounds cannot tell" in table, "one round proves nothing", table)
    check(table.count("-epoll  ") == 2, "a line for each design", table)


def repeated():
    document = json.loads(tool(*WORK, "-r", "3", "--json").stdout)
    validate(document)
    durations = [run["duration_ns"] for run in document["samples"]]
    check(document["duration_ns"] == statistics.median(durations), "figures are medians", durations)
    check(document["spread"]["duration_ns"] == {"min": min(durations), "max": max(durations)}, "with their range")
    check(document["schema"] == "netpoll-trace/run/v1" and "samples" not in document["samples"][0], "of plain results")
    check("samples" not in json.loads(tool(*WORK, "--json").stdout), "one run is no repetition")


def refusals():
    for arguments in (["--trigger", "edge,edge"], ["--trigger", "edge,"], ["--poll-mode", "thread,foo"],
                      ["--trigger", "edge,level", "--serve", "127.0.0.1:0"], ["-r", "0"],
                      ["-r", "2", "--serve", "127.0.0.1:0"], ["--trigger", "edge,level", "--expect", "operations > 1"]):
        error = tool(*WORK, *arguments, status=2).stderr
        check(error.count("\n") == 2 and "hint: " in error, f"{arguments} is refused in a line, with a hint", error)


def interrupted():
    process = subprocess.Popen([BINARY, "run", "idle", "--conns", "2", "--duration", "2s", "--trigger", "edge,level",
                                "-r", "1000", "-v", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    rounds = 0
    for line in process.stderr:
        rounds += "round " in line
        if rounds == 2:
            break
    time.sleep(0.2)  # in the middle of the second run, most often; whenever it is, what was whole is kept
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    check(process.returncode == 130, "Ctrl-C ends it", process.returncode)
    document = json.loads(out)
    validate(document)
    check(document["interrupted"] and list(document["cells"]) == ["hybrid-edge-epoll"], "with the runs that were whole",
          list(document["cells"]))


for test in (designs, page, repeated, refusals, interrupted):
    test()
sys.exit(exit_status())
