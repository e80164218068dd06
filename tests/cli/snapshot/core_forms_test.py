#!/usr/bin/env python3
"""snapshot --core on cores that others write: core_forms_test.py BINARY GO_BUILDS SERVER_SOURCE

Cores of delve and of QEMU name no files (NT_FILE), so that the executable has to be given; QEMU's is of a program for
64-bit ARM, which no other core on this machine is. Truth is what the program said of itself before it died.
"""

import glob
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from checks import check, exit_status, skip  # noqa: E402
from programs import Programs  # noqa: E402
from support import dump_goroutines, go_server, snapshot_goroutines  # noqa: E402

BINARY, BUILDS, SOURCE = sys.argv[1:4]


def tool(*arguments):
    return subprocess.run([BINARY, "snapshot", *arguments], capture_output=True, text=True, timeout=200)


def check_core(core, exe, truth, who):
    nameless = tool("--core", core, "--all", "--json")
    check(nameless.returncode == 3 and "NT_FILE" in nameless.stderr and " EXE" in nameless.stderr,
          f"{who}: without the executable it is asked for", nameless.stderr)
    other = tool("--core", core, BINARY, "--all", "--json")
    check(other.returncode in (2, 3) and not other.stdout, f"{who}: another executable is refused", other.stderr)
    done = tool("--core", core, exe, "--all", "--json")
    if not check(done.returncode == 0, f"{who}: the core is read", done.stderr):
        return
    document = json.loads(done.stdout)
    check(document["target"]["runtime_version"] == truth["version"], f"{who}: version", document["target"])
    found = {g["goid"]: g for g in document["goroutines"]}
    for w in truth["goroutines"]:
        g = found.get(w["goid"])
        if not check(g is not None, f"{who}: nothing is missing", w):
            continue
        if w["fd"] >= 0 and w.get("mode"):
            check((g["fd"], g["mode"]) == (w["fd"], w["mode"]), f"{who}: the descriptor of {w['what']}", g)
        check(not w.get("labels") or g["labels"] == w["labels"], f"{who}: labels", g)
    theirs, ours = dump_goroutines(truth["dump"]), snapshot_goroutines(document)
    same = [goid for goid in theirs if goid in ours and ours[goid][0] == theirs[goid][0]]
    check(len(same) > 20, f"{who}: most are in the state that they were in", f"{theirs} {ours}")
    for goid in same:
        check(ours[goid][1] == theirs[goid][1], f"{who}: the stack of goroutine {goid}",
              f"\n  ours   {ours[goid][1]}\n  theirs {theirs[goid][1]}")


def delve_test(folder):
    if not shutil.which("dlv"):
        skip("cores of delve: it is not installed")
        return
    with Programs() as programs:
        server, truth = go_server(programs, BUILDS)
        if server is None:
            skip("cores of delve: there is no Go")
            return
        core = os.path.join(folder, "delve.core")
        try:
            subprocess.run(["dlv", "attach", str(server.pid), "--allow-non-terminal-interactive=true"],
                           input=f"dump {core}\nquit -c\nn\n", capture_output=True, text=True, timeout=60)
        except subprocess.TimeoutExpired:
            skip("cores of delve: it did not come to its end within a minute")
            return
        if not os.path.exists(core):
            skip("cores of delve: it may not attach here")
            return
        check_core(core, os.path.join(BUILDS, "system-plain"), truth, "delve")
        os.unlink(core)


def arm64_test(folder):
    qemu = shutil.which("qemu-aarch64")
    go = next((g for g in ("/usr/bin/go", "/usr/local/go/bin/go") if os.access(g, os.X_OK)), None)
    exe = os.path.join(folder, "server-arm64")
    environment = dict(os.environ, CGO_ENABLED="0", GOARCH="arm64", GOFLAGS="-buildvcs=false", GOWORK="off")
    if not qemu or go is None:
        skip("a core of 64-bit ARM: no qemu-aarch64 (package qemu-user), or no Go")
        return
    built = subprocess.run([go, "build", "-o", exe, "."], cwd=SOURCE, env=environment, capture_output=True, text=True)
    if built.returncode != 0:
        skip(f"a core of 64-bit ARM: Go does not build for it: {built.stderr[-200:]}")
        return

    def with_cores():
        resource.setrlimit(resource.RLIMIT_CORE, [resource.getrlimit(resource.RLIMIT_CORE)[1]] * 2)

    server = subprocess.Popen([qemu, exe], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, cwd=folder, preexec_fn=with_cores, env=dict(os.environ, GOTRACEBACK="crash"))
    try:
        truth = json.loads(server.stdout.readline())
        server.stdout.readline()
        server.send_signal(signal.SIGABRT)
        server.wait(timeout=120)
    finally:
        server.kill()
        server.wait()
    # Of the program; QEMU's own, if the kernel writes one, is another.
    cores = glob.glob(os.path.join(folder, "qemu_*.core"))
    if not cores:
        skip("a core of 64-bit ARM: QEMU wrote none (ulimit -Hc)")
        return
    check_core(cores[0], exe, truth, "arm64")


def main():
    signal.alarm(580)
    with tempfile.TemporaryDirectory() as folder:
        delve_test(folder)
        arm64_test(folder)
    sys.exit(exit_status())


main()
