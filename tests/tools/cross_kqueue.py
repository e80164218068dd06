#!/usr/bin/env python3
"""Compiles the kqueue back end against the headers of the systems it is for: cross_kqueue.py ROOT

Zig carries the libc headers of macOS and the BSDs, so `zig c++` is all it takes: the one in PATH, Python's package
ziglang, or what NETPOLL_ZIG says. Without one: exit status 77 and the reason. What cannot be judged here is how those
kernels behave; poller_test.cc is there to be run on them.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

TARGETS = ("aarch64-macos", "x86_64-macos", "x86_64-freebsd", "x86_64-netbsd", "x86_64-openbsd")
SOURCES = ("poller_kqueue.cc", "poller_select.cc")
FLAGS = ("-std=c++20", "-Wall", "-Wextra", "-Wshadow", "-Wcast-align", "-Werror", "-DNETPOLL_HAVE_KQUEUE", "-c")


def zig():
    if "NETPOLL_ZIG" in os.environ:
        return shlex.split(os.environ["NETPOLL_ZIG"])
    if shutil.which("zig"):
        return ["zig"]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang"]
    return None


def main():
    root = sys.argv[1]
    compiler = zig()
    if compiler is None:
        print("SKIPPED: no zig, the one compiler here that would have the headers of macOS and the BSDs "
              "(pip install ziglang, or NETPOLL_ZIG)")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for target in TARGETS:
            for source in SOURCES:
                command = [*compiler, "c++", "-target", target, *FLAGS, f"-I{root}", f"-I{root}/libruntime/include",
                           f"{root}/libruntime/poll/{source}", "-o", f"{scratch}/{target}.{source}.o"]
                result = subprocess.run(command, capture_output=True, text=True, timeout=300)
                print(f"{target} {source}: {'ok' if result.returncode == 0 else 'FAILED'}")
                if result.returncode != 0:
                    failed += 1
                    print(result.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
