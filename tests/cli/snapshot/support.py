"""What the tests of snapshot in Python share: the Go program that they look at, and dumps of Go."""

import json
import os
import re


def go_server(programs, builds, *mode, **more):
    """The Go program of the tests, once it is ready, and what it says of itself; None where it was not built."""
    path = os.path.join(builds, "system-plain")
    if not os.access(path, os.X_OK):
        return None, None
    server = programs.start(path, *mode, **more)
    truth = json.loads(server.stdout.readline())
    assert server.stdout.readline() == "ready\n"
    return server, truth


def printed(name):
    """As Go prints generic names."""
    return re.sub(r"\[.*\]", "[...]", name)


def dump_goroutines(text):
    """Goid -> (state, functions without the runtime's) of a SIGQUIT dump or of goroutine?debug=2."""
    found = {}
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip().splitlines()
        head = re.match(r"goroutine (\d+)(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[([^\],]*)", lines[0]) if lines else None
        if not head:
            continue
        functions = [printed(line.rsplit("(", 1)[0]) for line in lines[1:]
                     if line.endswith(")") and not line.startswith(("\t", "created by "))]
        # runtime.gopanic is called panic there.
        found[int(head[1])] = (head[2], [f for f in functions if not f.startswith("runtime.") and f != "panic"])
    return found


def snapshot_goroutines(document, wrappers=False):
    """The same of a snapshot's document."""
    found = {}
    for g in document["goroutines"]:
        functions = [printed(f["function"]) for f in g["stack"] or [] if wrappers or not f["hidden"]]
        found[g["goid"]] = (g["wait_reason"] or g["status"], [f for f in functions if not f.startswith("runtime.")])
    return found
