#!/usr/bin/env python3
"""Builds the Go server with every Go that the tests want and this machine has.

The system's Go is always used. The others are fetched by a Go of 1.21 or later (GOTOOLCHAIN, see go.dev/doc/toolchain)
if they are asked for with --versions. DIR/wanted names every build that the tests look for; what could not be made is
said here, and skipped by the tests.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent / "server"

# One for each form that the runtime's structs and tables have had.
VERSIONS = ["1.18.10", "1.20.14", "1.21.13", "1.22.12", "1.23.1", "1.23.12", "1.24.9", "1.25.5", "1.26.8", "1.27.1"]

STRIPPED = ["-ldflags", "-s -w"]
PIE = ["-buildmode=pie"]
# How it is built, and whether with cgo.
MODES = {
    "plain": ([], True),
    "stripped": (STRIPPED, False),
    "pie": (PIE, False),
    "pie-stripped": (PIE + STRIPPED, True),
}
MODES_OF_OTHERS = ["plain", "stripped", "pie-stripped"]


def newer_go():
    """A Go that can fetch others."""
    for go in filter(None, [shutil.which("go"), "/usr/local/go/bin/go"]):
        if not os.access(go, os.X_OK):
            continue
        said = subprocess.run([go, "version"], capture_output=True, text=True).stdout
        found = re.search(r"go1\.(\d+)", said)
        if found and int(found.group(1)) >= 21:
            return go
    return None


def build(go, out, mode, toolchain=None):
    """An empty string, or why it was not built."""
    flags, cgo = MODES[mode]
    environment = dict(os.environ, CGO_ENABLED="1" if cgo else "0", GOFLAGS="-buildvcs=false", GOWORK="off")
    if toolchain:
        environment["GOTOOLCHAIN"] = "go" + toolchain
    made = subprocess.run([go, "build", *flags, "-o", str(out), "."], cwd=SOURCE, env=environment,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return "" if made.returncode == 0 else (made.stdout.strip().splitlines() or ["it says nothing"])[-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--go", help="the system's Go")
    parser.add_argument("--versions", default="", help="further ones: 'all', or a list with commas")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    versions = VERSIONS if arguments.versions == "all" else [v for v in arguments.versions.split(",") if v]

    jobs = [("system", mode, None) for mode in MODES]
    jobs += [(version, mode, version) for version in VERSIONS for mode in MODES_OF_OTHERS]
    other_go = newer_go() if versions else None
    for name, mode, toolchain in jobs:
        out = arguments.out / f"{name}-{mode}"
        out.unlink(missing_ok=True)
        go = arguments.go if toolchain is None else other_go if toolchain in versions else None
        if toolchain is not None and toolchain not in versions:
            continue
        why = build(go, out, mode, toolchain) if go else "no such Go here"
        if why:
            print(f"Go build {name}-{mode}: not made: {why}", file=sys.stderr)
    (arguments.out / "wanted").write_text("".join(f"{name}-{mode}\n" for name, mode, _ in jobs))


if __name__ == "__main__":
    main()
