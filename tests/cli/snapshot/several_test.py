#!/usr/bin/env python3
"""snapshot of several processes, and pages that are longer than the screen: several_test.py BINARY SCHEMAS GO_BUILDS

The terminal is a real one (a pseudo-terminal of 80 by 24), the pager a program of the test's that marks its lines.
"""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from checks import check, exit_status, skip  # noqa: E402
from programs import Programs  # noqa: E402
from support import go_server  # noqa: E402

BINARY, SCHEMAS, BUILDS = sys.argv[1:4]
ROWS, COLUMNS = 24, 80


def tool(*arguments):
    return subprocess.run([BINARY, "snapshot", *map(str, arguments)], capture_output=True, text=True, timeout=120)


def documents(text):
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


def several_test(first, second, truth):
    validator = jsonschema.Draft202012Validator(json.loads(Path(SCHEMAS, "snapshot.json").read_text(encoding="utf-8")))
    both = ["-p", first.pid, "-p", second.pid]
    done = tool(*both, "--json")
    check(done.returncode == 0, "two processes are read", done.stderr)
    found = documents(done.stdout)
    check([d["target"]["pid"] for d in found] == [first.pid, second.pid], "a document for each, in the order given")
    for document in found:
        check(validator.is_valid(document), "each fits the schema")
        want = {g["goid"]: g["fd"] for g in truth[document["target"]["pid"]] if g.get("mode") and g["fd"] >= 0}
        ours = {g["goid"]: g["fd"] for g in document["goroutines"]}
        check({goid: ours.get(goid) for goid in want} == want, "each has its own goroutines", f"{want} {ours}")

    lines = [json.loads(line) for line in tool(*both, "-f", "ndjson").stdout.splitlines()]
    check([line["target"]["pid"] for line in lines if line["type"] == "meta"] == [first.pid, second.pid],
          "ndjson: a meta line for each")
    check([line["type"] for line in lines].count("end") == 2, "ndjson: and an end for each")

    page = tool(*both).stdout
    heads = [i for i, line in enumerate(page.splitlines()) if "(pid " in line]
    check(len(heads) == 2 and page.splitlines()[heads[1] - 1] == "", "a page for each, an empty line between", page)
    check(all(len(line) <= 80 for line in page.splitlines()), "within 80 columns", page)

    by_name = tool("--comm", "system-plain", "--json")
    pids = {d["target"]["pid"] for d in documents(by_name.stdout)}
    check({first.pid, second.pid} <= pids, "all of one name", f"{pids} {by_name.stderr}")


def refusal_test(first, second):
    sleeper = subprocess.Popen(["sleep", "300"])
    try:
        done = tool("-p", first.pid, "-p", sleeper.pid, "-p", second.pid, "--json")
        check(done.returncode == 3, "one of three that is no known runtime: status 3", done.returncode)
        check(f"pid {sleeper.pid} " in done.stderr, "it is named", done.stderr)
        check([d["target"]["pid"] for d in documents(done.stdout)] == [first.pid, second.pid],
              "and the others are read all the same")
    finally:
        sleeper.kill()
        sleeper.wait()
    both = ["-p", first.pid, "-p", second.pid]
    for arguments, what in ((["-f", "pprof"], "a profile holds one process"), (["--diff", "old.json"], "no such file"),
                            (["--save-core-context", "/nonexistent/x"], "saving takes one")):
        done = tool(*both, *arguments)
        check(done.returncode == 2 and "hint: " in done.stderr and not done.stdout, what, done.stderr)


def on_terminal(*arguments, pager=None, keys=b"", rows=ROWS, **environment):
    """What appears on a terminal, and the exit status."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, COLUMNS, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k not in ("PAGER", "NETPOLL_TRACE_PAGER", "LESS")}
    if pager is not None:
        clean["NETPOLL_TRACE_PAGER"] = pager
    child = subprocess.Popen([BINARY, "snapshot", *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave,
                             env={**clean, "NO_COLOR": "1", "TERM": "xterm", **environment}, start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(slave)
    if keys:
        os.write(master, keys)
    said = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    child.wait()
    os.close(master)
    return said.decode("utf-8", "replace").replace("\r\n", "\n"), child.returncode


def pager_test(server):
    mark = "sed 's/^/PAGED /'"
    long = ["-p", server.pid, "--all"]
    plain = tool(*long).stdout
    check(len(plain.splitlines()) > ROWS, "the page is longer than the screen", plain)

    text, status = on_terminal(*long, pager=mark)
    check(status == 0 and text and all(line.startswith("PAGED ") for line in text.splitlines()), "a long page is paged",
          text)
    check(all(len(line) <= COLUMNS + len("PAGED ") for line in text.splitlines()), "within the columns", text)
    text, _ = on_terminal(*long, PAGER=mark)
    check(text.startswith("PAGED "), "$PAGER is asked too", text)
    text, _ = on_terminal(*long, pager="sed 's/^/MINE /'", PAGER=mark)
    check(text.startswith("MINE "), "$NETPOLL_TRACE_PAGER comes first", text)

    for what, arguments, options in (("--no-pager", [*long, "--no-pager"], {"pager": mark}),
                                     ("an empty pager", long, {"pager": ""}),
                                     ("cat", long, {"pager": "cat", "PAGER": mark}),
                                     ("a tall screen", long, {"pager": mark, "rows": 500}),
                                     ("another format", [*long, "-f", "folded"], {"pager": mark}),
                                     ("a pager that is not there", long, {"pager": "no-such-pager 2>/dev/null"})):
        text, status = on_terminal(*arguments, **options)
        check(status == 0 and text and "PAGED" not in text, f"not paged: {what}", text)
        check("-f" in arguments or "goroutines" in text, f"shown all the same: {what}", text)
    text, status = on_terminal(*long, pager="head -n 1")
    check(status == 0 and len(text.splitlines()) == 1, "who leaves the pager early is done", f"{status} {text}")
    env = dict(os.environ, NETPOLL_TRACE_PAGER=mark)
    piped = subprocess.run([BINARY, "snapshot", *map(str, long)], capture_output=True, text=True, env=env)
    check("PAGED" not in piped.stdout and piped.stdout, "never for a pipe", piped.stdout)
    if os.access("/usr/bin/less", os.X_OK):
        text, status = on_terminal(*long, keys=b"q")
        check(status == 0 and "goroutines" in text, "less shows its first screen and goes on q", text)


def main():
    signal.alarm(280)
    with Programs() as programs:
        first, truth = go_server(programs, BUILDS)
        if first is None:
            skip("there is no Go that builds the programs")
        else:
            second, other = go_server(programs, BUILDS)
            several_test(first, second, {first.pid: truth["goroutines"], second.pid: other["goroutines"]})
            refusal_test(first, second)
            pager_test(first)
    sys.exit(exit_status())


main()
