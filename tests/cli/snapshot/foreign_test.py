#!/usr/bin/env python3
"""snapshot on Go programs that are not ours, and on one that never stands still:
foreign_test.py BINARY SCHEMAS GO_BUILDS LIBRARY_SOURCE

Truth is what the programs say themselves: prometheus by its pprof endpoint, esbuild (which an npm package brings, built
by a modern Go and stripped of all that can be) by its own dump on SIGQUIT; a Go library in a Python program by what it
was told to do; and the descriptors in /proc. What is not installed, and cannot be had by npm, is skipped aloud.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from checks import check, exit_status, skip  # noqa: E402
from programs import Programs, eventually, free_port  # noqa: E402
from support import dump_goroutines, go_server, snapshot_goroutines  # noqa: E402

BINARY, SCHEMAS, BUILDS, LIBRARY = sys.argv[1:5]
ESBUILD = "@esbuild/linux-x64@0.28.2"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(Path(SCHEMAS, "snapshot.json").read_text(encoding="utf-8")))


def snapshot(pid, validate=True):
    done = subprocess.run([BINARY, "snapshot", "-p", str(pid), "--all", "--json"], capture_output=True, timeout=120)
    check(done.returncode == 0, "snapshot of a program", done.stderr)
    document = json.loads(done.stdout or b'{"goroutines": []}')
    for error in list(VALIDATOR.iter_errors(document))[:3] if validate else []:
        check(False, "the document fits its schema", f"{list(error.path)}: {error.message}")
    return document


def connections(port, count):
    """Connections that stay silent, by the address that their other end sees."""
    made = {}
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        made["127.0.0.1:%d" % connection.getsockname()[1]] = connection
    return made


def check_waits(document, pid, peers, who):
    """Each IO wait has a descriptor, which is what /proc says, and each of the peers is waited for."""
    waits = [g for g in document["goroutines"] if g["wait_reason"] == "IO wait"]
    check(waits, f"{who}: somebody waits for I/O")
    for g in waits:
        if not check(g["fd"] is not None, f"{who}: goroutine {g['goid']} waits for a descriptor", g):
            continue
        link = os.readlink(f"/proc/{pid}/fd/{g['fd']}")
        check(link.startswith(("socket:", "pipe:", "anon_inode:")), f"{who}: fd {g['fd']}", link)
    found = {g["peer"] for g in waits if g["mode"] == "read"}
    check(set(peers) <= found, f"{who}: silent connections are waited for", f"{sorted(peers)} {found}")
    holders = {g["peer_process"]["pid"] for g in waits if g["peer"] in peers and g["peer_process"]}
    check(holders == {os.getpid()}, f"{who}: and we hold their other ends", holders)


def compare(ours, theirs, who, least):
    """Those that are in the same state in both have the same functions."""
    same = [goid for goid in theirs if goid in ours and ours[goid][0] == theirs[goid][0]]
    check(len(same) >= least, f"{who}: {least} goroutines or more are as they say", f"{theirs.keys()} {ours.keys()}")
    for goid in same:
        check(ours[goid][1] == theirs[goid][1], f"{who}: the stack of goroutine {goid}",
              f"\n  ours   {ours[goid][1]}\n  theirs {theirs[goid][1]}")


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode("utf-8", "replace")
    except OSError:
        return ""


def prometheus_test():
    path = shutil.which("prometheus")
    if not path:
        skip("prometheus is not installed")
        return
    with Programs() as programs, tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.yml").write_text("scrape_configs: []\n", encoding="utf-8")
        port = free_port()
        server = programs.start(path, f"--config.file={folder}/config.yml", f"--storage.tsdb.path={folder}/data",
                                f"--web.listen-address=127.0.0.1:{port}", stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}/debug/pprof/goroutine?debug=2"
        ready = eventually(lambda: get(f"http://127.0.0.1:{port}/-/ready"), lambda text: "Ready" in text, 60)
        if not check("Ready" in ready, "prometheus starts", ready):
            return
        peers = connections(port, 5)

        def both():
            before = dump_goroutines(get(url))
            document = snapshot(server.pid)
            after = dump_goroutines(get(url))
            # Those that stood still meanwhile.
            return document, {goid: g for goid, g in after.items() if before.get(goid) == g}

        document, theirs = eventually(both, lambda d: set(peers) <= {g["peer"] for g in d[0]["goroutines"]})
        check(document["target"]["kind"] == "go", "prometheus is a Go program", document["target"])
        check_waits(document, server.pid, peers, "prometheus")
        ours = snapshot_goroutines(document)
        missing = [goid for goid in theirs if goid not in ours]
        check(not missing, "prometheus: nothing is missing that stood still", missing)
        compare(ours, theirs, "prometheus", 15)


def esbuild():
    """Its path, from an npm package with the binary inside; None where it cannot be had."""
    npm = shutil.which("npm")
    if not npm:
        skip("esbuild: there is no npm")
        return None
    folder = tempfile.mkdtemp()
    try:
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, ESBUILD],
                       capture_output=True, timeout=90, check=True)
    except (subprocess.SubprocessError, OSError):
        pass
    path = os.path.join(folder, "node_modules/@esbuild/linux-x64/bin/esbuild")
    if os.access(path, os.X_OK):
        return path
    shutil.rmtree(folder)
    skip(f"esbuild: npm does not bring {ESBUILD} (or this is no x86-64)")
    return None


def esbuild_test():
    path = esbuild()
    if path is None:
        return
    with Programs() as programs, tempfile.TemporaryDirectory() as folder:
        port = free_port()
        server = programs.start(path, f"--serve=127.0.0.1:{port}", f"--servedir={folder}", stderr=subprocess.PIPE,
                                stdout=subprocess.DEVNULL)
        eventually(lambda: get(f"http://127.0.0.1:{port}/"), bool)
        peers = connections(port, 3)
        document = eventually(lambda: snapshot(server.pid),
                              lambda d: set(peers) <= {g["peer"] for g in d["goroutines"]})
        check(document["target"]["kind"] == "go", "esbuild is a Go program", document["target"])
        check(document["target"]["runtime_version"].startswith("go1."), "of a known version", document["target"])
        check_waits(document, server.pid, peers, "esbuild")
        server.send_signal(signal.SIGQUIT)
        theirs = dump_goroutines(server.stderr.read())
        # Its dump shows wrappers, and no system goroutines; the one that prints it was in a system call or ran.
        ours = snapshot_goroutines(document, wrappers=True)
        missing = [goid for goid, g in theirs.items() if goid not in ours and g[0] == "IO wait"]
        check(not missing, "esbuild: nothing is missing", missing)
        compare(ours, theirs, "esbuild", 5)
    shutil.rmtree(path.split("/node_modules/")[0])


def churn_test():
    """Goroutines come and go by the ten thousand while those that wait are read again and again."""
    with Programs() as programs:
        # On one P, so that we get to read at all.
        server, truth = go_server(programs, BUILDS, "churn", env=dict(os.environ, GOMAXPROCS="1"))
        if server is None:
            skip("a program that starts and ends goroutines: there is no Go")
            return
        begun, first, newest = time.monotonic(), 0, 0
        for i in range(100):
            document = snapshot(server.pid, validate=i % 20 == 0)
            found = {g["goid"]: g for g in document["goroutines"]}
            check(len(found) == len(document["goroutines"]), "no goroutine is there twice")
            for goid, g in found.items():
                check(0 < goid < 1 << 40 and len(g["stack"] or []) < 200, "no nonsense", g)
            for w in truth["goroutines"]:
                if w["goid"] not in found:
                    check(False, "nothing is missing that stood still", w)
                    continue
                g = found[w["goid"]]
                if g["stable"] and w["fd"] >= 0 and w.get("mode"):
                    check((g["fd"], g["mode"]) == (w["fd"], w["mode"]), w["what"], g)
            newest = max(newest, *found)
            first = first or newest
        seconds = time.monotonic() - begun
        # Goids are given in order, so that they count what was started.
        print(f"churn: {(newest - first) / seconds:,.0f} goroutines started a second, 100 snapshots in {seconds:.1f} s")
        check(newest - first > 50_000, "they came and went while we read", f"{first} to {newest}")


HOST = """
import ctypes, sys
print(ctypes.CDLL(sys.argv[1]).Start(), flush=True)
sys.stdin.read()
"""


def library_test():
    """A Go runtime in a program of another language."""
    go = next((g for g in ("/usr/bin/go", "/usr/local/go/bin/go") if os.access(g, os.X_OK)), None)
    with tempfile.TemporaryDirectory() as folder, Programs() as programs:
        environment = dict(os.environ, CGO_ENABLED="1", GOFLAGS="-buildvcs=false", GOWORK="off")
        library = f"{folder}/library.so"
        if go is None or subprocess.run([go, "build", "-buildmode=c-shared", "-o", library, "."], cwd=LIBRARY,
                                        env=environment, capture_output=True).returncode != 0:
            skip("a Go library in another program: no Go that builds it")
            return
        host = programs.start(sys.executable, "-c", HOST, library)
        port = int(host.stdout.readline())
        document = eventually(lambda: snapshot(host.pid),
                              lambda d: any(g["wait_reason"] == "IO wait" for g in d["goroutines"]))
        check(document["target"]["kind"] == "go", "a Go library makes a Go program", document["target"])
        waits = [(g["local"], g["tcp_state"]) for g in document["goroutines"] if g["wait_reason"] == "IO wait"]
        check(waits == [(f"127.0.0.1:{port}", "LISTEN")], "its listener is waited for", waits)
        functions = {g["function"] for g in document["goroutines"] if not g["system"]}
        check({"main.Start.func1", "main.Start.func2"} <= functions, "its goroutines are there", functions)


def main():
    signal.alarm(580)
    library_test()
    churn_test()
    prometheus_test()
    esbuild_test()
    sys.exit(exit_status())


main()
