#!/usr/bin/env python3
"""The manual is clean and complete: man_test.py BINARY PAGE TRACEPOINTS_DEF

mandoc finds nothing to complain about; every command, flag and tracepoint that exists is in the page.
"""

import re
import shutil
import subprocess
import sys


def main():
    binary, page, tracepoints = sys.argv[1:4]
    if shutil.which("mandoc") is None:
        print("SKIPPED: mandoc is not installed")
        return 77
    failures = []
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    if lint.returncode != 0 or lint.stdout or lint.stderr:
        failures.append(f"mandoc: {lint.stdout}{lint.stderr}")
    text = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=400", page], capture_output=True, text=True).stdout
    text = re.sub(".\b", "", text)  # overstruck bold and underlined letters

    overview = subprocess.run([binary, "--help"], capture_output=True, text=True).stdout
    commands = re.findall(r"^  ([a-z]+) ", overview.split("More help:")[0], re.M)
    for command in commands:
        if not re.search(rf"^ +{command}\b", text, re.M):
            failures.append(f"command {command} is not in the manual")
        usage = subprocess.run([binary, "help", command], capture_output=True, text=True).stdout
        for flag in re.findall(r"^  (?:-\w, |    )?(--[a-z-]+)", usage, re.M):
            if not re.search(rf"(?<![\w-]){flag}(?![\w-])", text):
                failures.append(f"{command} {flag} is not in the manual")
    with open(tracepoints, encoding="utf-8") as rows:
        for row in re.findall(r"^NETPOLL_TRACEPOINT\((\w+),", rows.read(), re.M):
            if not re.search(rf"^ +{row}\(", text, re.M):
                failures.append(f"tracepoint {row} is not in the manual")
    print(f"commands: {', '.join(commands)}")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures or not commands else 0


sys.exit(main())
