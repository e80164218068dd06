#!/usr/bin/env python3
"""claims: every experiment, its figures and its verdict: claims_test.py BINARY

What must come out is known from what is being shown; that a verdict can turn is shown by taking the probe away, and by
an experiment that is killed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from checks import check, exit_status, follows_schema  # noqa: E402

BINARY = sys.argv[1]
PATIENCE = 240
# Claims that somebody has to be watched for from outside.
WATCHED = {"park", "poller", "debugging"}


def tool(*arguments, status=(0,)):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    check(done.returncode in status, f"{arguments} ended with {done.returncode}", done.stdout[-3000:] + done.stderr)
    return done


def validate(document):
    follows_schema(document, lambda kind: tool("help", "schema", kind).stdout)


def figures(claim):
    return {figure["name"]: figure["value"] for figure in claim["figures"]}


def verdicts(document):
    return {claim["name"]: (claim["verdict"], claim["reason"]) for claim in document["claims"]}


def every_claim():
    document = json.loads(tool("claims", "--json").stdout)
    validate(document)
    listed = [line.split()[0] for line in tool("claims", "--list").stdout.splitlines()[1:]]
    check([claim["name"] for claim in document["claims"]] == listed and len(listed) == 10, "all ten, in order", listed)
    pollers = figures(next(c for c in document["claims"] if c["name"] == "backends"))["back_ends"]
    for name, (verdict, reason) in verdicts(document).items():
        wanted = "holds" if name != "backends" or pollers > 1 else "cannot_say"
        unseen = document["probe"]["lost"] and verdict == "cannot_say"
        check(verdict == wanted or unseen, f"{name} {wanted}", (verdict, reason))
    counts = [document[name] for name in ("holds", "does_not_hold", "cannot_say")]
    check(sum(counts) == 10 and counts[1] == 0, "and they are counted", counts)
    if document["probe"]["backend"] == "none":
        print("skipped: what a probe sees, since none may be used here")
        return
    # What the probe lost some of is not shown, rather than shown wrong.
    unknown = {None} if document["probe"]["lost"] else set()
    by_name = {claim["name"]: figures(claim) for claim in document["claims"]}
    park, poller, arming = by_name["park"], by_name["poller"], by_name["arming"]
    check(park["eagain"] in {100} | unknown and park["parks_with_data"] == 0, "a read tries, then parks", park)
    check(poller.get("thread_polling_threads") in {1} | unknown
          and poller.get("thread_polling_and_running") in {0} | unknown, "one thread polls", poller)
    armed = arming.get("oneshot_epoll_ctl_mod_per_wait")
    check((armed in unknown or armed >= 1) and arming["edge_armed_per_wait"] == 0,
          "oneshot arms for each wait, edge does not", arming)
    check(by_name["reuseport"]["accepted"] == 200, "no connection is lost", by_name["reuseport"])
    steps = next(c for c in document["claims"] if c["name"] == "park")["steps"]
    check(unknown or any("EAGAIN" in step["text"] for step in steps), "calls stand among the steps", steps[:5])
    check([step["at_ns"] for step in steps] == sorted(step["at_ns"] for step in steps), "in order of time")


def without_a_probe():
    document = json.loads(tool("claims", "--backend", "none", "--json").stdout)
    validate(document)
    for name, (verdict, reason) in verdicts(document).items():
        wanted = "cannot_say" if name in WATCHED or (name == "backends" and verdict == "cannot_say") else "holds"
        check(verdict == wanted and (reason is None) == (wanted == "holds"), f"{name} unseen: {wanted}", (verdict, reason))
    tool("claims", "poller", "--backend", "none", "--strict", status=(4,))


def by_ptrace():
    done = subprocess.run([BINARY, "claims", "poller", "arming", "--backend", "ptrace", "--json"], capture_output=True,
                          text=True, timeout=PATIENCE)
    if done.returncode == 3:
        print("skipped: ptrace, which may not be used here:", done.stderr.splitlines()[0])
        return
    check(done.returncode == 0, "ptrace sees the same", done.stdout[-2000:] + done.stderr)
    found = json.loads(done.stdout)
    validate(found)
    check(found["probe"]["backend"] == "ptrace" and found["holds"] == 2, "and comes to the same", verdicts(found))


def page():
    text = tool("claims", "runtime", "close", "-v").stdout
    check(text.count(": holds\n") == 2 and "  article " in text and "  Go " in text, "a page for people", text)
    check(max(map(len, text.split("\n")[0:12])) <= 80, "of 80 columns", text)
    check("2 hold" in text and "thread " in text or "watched by none" in text, "-v has the steps", text[-500:])


def refusals():
    for arguments, hint in ((["claims", "polller"], 'did you mean "poller"'), (["claims", "--html", "--json"], "leave -f"),
                            (["claims", "close", "--backend", "perf"], "")):
        done = tool(*arguments, status=(2, 3))
        check(done.stderr.startswith("error") and hint in done.stderr, f"{arguments} is refused with a hint", done.stderr)


def an_experiment_that_dies():
    """One that is killed cannot be judged, and the others go on."""
    process = subprocess.Popen([BINARY, "claims", "debugging", "close", "--backend", "none", "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    victim, deadline = None, time.monotonic() + PATIENCE
    while victim is None and process.poll() is None and time.monotonic() < deadline:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            try:
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:3] == [b"__claim", b"close"]:
                victim = int(child)
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    victim = None
    out, _ = process.communicate(timeout=PATIENCE)
    found = verdicts(json.loads(out))
    check(process.returncode == 0, "an experiment that dies is no failure of the tool", process.returncode)
    if victim is not None and found["close"][0] != "holds":  # else it had ended by itself
        check(found["close"][0] == "cannot_say" and "killed" in found["close"][1], "it says so", found["close"])


def interrupted():
    process = subprocess.Popen([BINARY, "claims", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:  # until an experiment runs: then Ctrl-C is heard
        if Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            break
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE)
    check(process.returncode == 130, "Ctrl-C ends it", process.returncode)
    if out:
        document = json.loads(out)
        validate(document)
        check(document["interrupted"] and len(document["claims"]) < 10, "with the claims that were judged")


for test in (every_claim, without_a_probe, by_ptrace, page, refusals, an_experiment_that_dies, interrupted):
    test()
sys.exit(exit_status())
