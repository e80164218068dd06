#!/usr/bin/env python3
"""Who waits for whom, across real processes that this test chains together: graph_test.py BINARY SCHEMA RELAY_SOURCE ECHO_SERVER

Truth is how the test connected them: A asks B, B asks C, C never answers, over TCP, Unix sockets, pipes and HTTP; with a
program whose runtime is unknown (Python) in the chain; and in a ring, where nobody can ever answer.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from checks import check, exit_status, skip, strict  # noqa: E402
from programs import Programs, eventually  # noqa: E402

BINARY, SCHEMA, SOURCE, ECHO_SERVER = sys.argv[1:5]

VALIDATOR = jsonschema.Draft202012Validator(strict(json.loads(Path(SCHEMA).read_text())))


class Quiet(Programs):
    """Programs that could wait for nothing at our end."""

    def start(self, *argv, **more):
        return super().start(*argv, stdin=subprocess.DEVNULL, **more)


def graph(*arguments):
    done = subprocess.run([BINARY, "snapshot", "--graph", "--json", *map(str, arguments)], capture_output=True,
                          text=True, timeout=120)
    check(done.returncode == 0, f"snapshot --graph {arguments}", done.stderr)
    document = json.loads(done.stdout or "{}")
    for error in list(VALIDATOR.iter_errors(document))[:3]:
        check(False, "the document fits its schema", f"{list(error.path)}: {error.message}")
    return document


def owed(document):
    """Pairs (from, to) of pids: who waits for an answer of whom."""
    waits = document.get("waits", [])
    return {(waits[e["wait"]]["pid"], e["pid"]) for e in document.get("edges", [])
            if e["answer"] == "owes" and not waits[e["wait"]]["watches"] and waits[e["wait"]]["pid"] != e["pid"]}


def page(*arguments):
    return subprocess.run([BINARY, "snapshot", "--graph", *map(str, arguments)], capture_output=True, text=True,
                          timeout=120).stdout


def address_of(process):
    word, address = process.stdout.readline().split()
    assert word == "address"
    return address


def chain_test(relay, network, processes):
    listen = {"tcp": "tcp:127.0.0.1:0", "http": "http:127.0.0.1:0"}
    folder = tempfile.mkdtemp()
    c = processes.start(relay, "tail", listen.get(network, f"unix:{folder}/c"), "-")
    b = processes.start(relay, "middle", listen.get(network, f"unix:{folder}/b"), address_of(c))
    a = processes.start(relay, "head", "-", address_of(b))
    want = {(a.pid, b.pid), (b.pid, c.pid)}
    # Given all three, and by following from the first.
    for arguments in (["-p", a.pid, "-p", b.pid, "-p", c.pid], ["-p", a.pid, "--follow"]):
        document = eventually(lambda: graph(*arguments), lambda d: owed(d) == want)
        check(owed(document) == want, f"{network}: A waits for B, B for C", f"{owed(document)} {want}")
        check(document["cycles"] == [], f"{network}: a chain is no cycle", document["cycles"])
        check({p["pid"] for p in document["processes"]} == {a.pid, b.pid, c.pid}, f"{network}: three processes")
        check(all(p["runtime"] == "go" for p in document["processes"]), f"{network}: of Go")
        for wait in document["waits"]:
            link = os.readlink(f"/proc/{wait['pid']}/fd/{wait['fd']}")
            check(link.startswith(("socket:", "pipe:")), f"{network}: fd {wait['fd']} is what it waits for", link)
    alone = graph("-p", a.pid)
    check({e["answer"] for e in alone["edges"] if e["pid"] == b.pid} == {"unknown"},
          f"{network}: without --follow the others are unknown", alone["edges"])
    text = page("-p", a.pid, "--follow")
    lines = text.splitlines()
    version = next(p["runtime_version"] for p in document["processes"] if p["pid"] == a.pid)
    check(f"relay (pid {a.pid}), {version}" in lines, f"{network}: the version of Go is named once", text)
    to_b = [i for i, line in enumerate(lines) if f"-> relay (pid {b.pid}), nobody there waits for it" in line]
    to_c = [i for i, line in enumerate(lines) if f"-> relay (pid {c.pid}), nobody there waits for it" in line]
    check(len(to_b) == 1 and len(to_c) == 1 and to_b[0] < to_c[0], f"{network}: the tree has B above C", text)
    hidden = subprocess.run([BINARY, "snapshot", "--graph", "--json", "-p", str(a.pid), "--redact", "peers"],
                            capture_output=True, text=True).stdout
    check("127.0.0.1" not in hidden and folder not in hidden, f"{network}: --redact hides addresses")
    shutil.rmtree(folder)


def ring_test(relay, processes):
    folder = tempfile.mkdtemp()
    paths = [f"unix:{folder}/{name}" for name in "abc"]
    a, b, c = [processes.start(relay, "middle", paths[i], paths[(i + 1) % 3]) for i in range(3)]
    for process in (a, b, c):
        address_of(process)
    # The first question goes round and comes back to A, which asks B again: nobody ever answers.
    head = processes.start(relay, "head", "-", paths[0])
    document = eventually(lambda: graph("-p", head.pid, "--follow"), lambda d: bool(d.get("cycles")))
    check(len(document["cycles"]) == 1, "the ring is one cycle", document["cycles"])
    if document["cycles"]:
        ring = document["cycles"][0]["pids"]
        order = [a.pid, b.pid, c.pid]
        at = order.index(min(order))
        check(ring == order[at:] + order[:at], "in the order of who waits for whom", ring)
        check("cycle: " in page("-p", head.pid, "--follow"), "the page names the cycle")
    shutil.rmtree(folder)


THREADS = r"""
import os, socket, sys
# A program whose runtime nobody knows, and which blocks in system calls.
what, number = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
if what == "pipe":
    os.read(number, 1)
else:
    socket.socket(fileno=number).recv(1)
"""


def thread_test(processes):
    # A pipe: the one at its other end sleeps.
    read_end, write_end = os.pipe()
    ours, theirs = socket_pair()
    reader = processes.start(sys.executable, "-c", THREADS, "pipe", str(read_end), pass_fds=[read_end])
    sleeper = processes.start("/bin/sleep", "600", pass_fds=[write_end])
    receiver = processes.start(sys.executable, "-c", THREADS, "socket", str(theirs), pass_fds=[theirs])
    for fd in (read_end, write_end, theirs):
        os.close(fd)
    want = {(reader.pid, sleeper.pid), (receiver.pid, os.getpid())}
    document = eventually(lambda: graph("-p", reader.pid, "-p", receiver.pid, "--follow"),
                          lambda d: want <= owed(d))
    check(want <= owed(document), "threads wait for who holds the other end", f"{owed(document)} {want}")
    waits = {w["pid"]: w for w in document["waits"]}
    check(waits[reader.pid]["tid"] == reader.pid and waits[reader.pid]["state"] == "read", "the thread is named",
          waits[reader.pid])
    check(waits[receiver.pid]["kind"] == "unix", "and its socket", waits[receiver.pid])
    os.close(ours)


CLIENT = r"""
import os, socket, sys
# Connects, says nothing, and waits for somebody else.
host, port = sys.argv[1].rsplit(":", 1)
connection = socket.create_connection((host, int(port)))
print("ready", flush=True)
os.read(int(sys.argv[2]), 1)
"""


def libruntime_test(processes):
    """A libruntime server waits for its client, and that for a program that sleeps."""
    server = processes.start(ECHO_SERVER, "127.0.0.1:0", stderr=subprocess.PIPE)
    address = server.stderr.readline().split()[-1]
    read_end, write_end = os.pipe()
    client = processes.start(sys.executable, "-c", CLIENT, address, str(read_end), pass_fds=[read_end])
    sleeper = processes.start("/bin/sleep", "600", pass_fds=[write_end])
    for fd in (read_end, write_end):
        os.close(fd)
    want = {(server.pid, client.pid), (client.pid, sleeper.pid)}
    document = eventually(lambda: graph("-p", server.pid, "--follow"), lambda d: owed(d) == want)
    check(owed(document) == want, "libruntime: the server waits for its client, that for the sleeper",
          f"{owed(document)} {want}")
    check([p["runtime"] for p in document["processes"] if p["pid"] == server.pid] == ["libruntime"], "of libruntime")
    goids = [w["goid"] for w in document["waits"] if w["pid"] == server.pid and w["peer"]]
    check(len(goids) == 1 and goids[0] is not None, "by one of its goroutines", document["waits"])
    for arguments in (["--graph", "--follow"], ["--follow"], ["--summary"], ["--tree"]):
        done = subprocess.run([BINARY, "snapshot", "-p", str(server.pid), *arguments], capture_output=True, text=True,
                              timeout=120)
        widest = max(done.stdout.splitlines(), key=len)
        check(len(widest) <= 80, f"{arguments} fits 80 columns", widest)
        check("--follow" not in arguments or f"(pid {client.pid})" in done.stdout, "the client is named", done.stdout)
    server.stderr.close()


def socket_pair():
    import socket
    first, second = socket.socketpair()
    return first.detach(), second.detach()


def bad_input_test():
    done = subprocess.run([BINARY, "snapshot", "--graph", "-p", "999999999"], capture_output=True, text=True)
    check(done.returncode in (2, 3), "a process that is not there", done.stderr)
    done = subprocess.run([BINARY, "snapshot", "--graph", "--core", "x"], capture_output=True, text=True)
    check(done.returncode == 2, "a core has no other ends", done.stderr)


def main():
    signal.alarm(240)
    bad_input_test()
    for test in (thread_test, libruntime_test):
        with Quiet() as processes:
            test(processes)
    go = next((g for g in ("/usr/bin/go", "/usr/local/go/bin/go") if os.access(g, os.X_OK)), None)
    with tempfile.TemporaryDirectory() as folder:
        relay = f"{folder}/relay"
        environment = dict(os.environ, CGO_ENABLED="0", GOFLAGS="-buildvcs=false", GOWORK="off")
        if go is None or subprocess.run([go, "build", "-o", relay, "."], cwd=SOURCE, env=environment).returncode != 0:
            skip("chains of Go programs: no Go that builds them")
        else:
            for network in ("tcp", "unix", "http"):
                with Quiet() as processes:
                    chain_test(relay, network, processes)
            with Quiet() as processes:
                ring_test(relay, processes)
    sys.exit(exit_status())


main()
