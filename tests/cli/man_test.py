#!/usr/bin/env python3
"""The manual is clean and complete: man_test.py BINARY PAGE FOLDER TRACEPOINTS_DEF

mandoc finds nothing to complain about in any page; every command that exists is in netpoll-trace(1) (PAGE) and has a page
of its own in FOLDER, with its flags, exit codes and, where it writes a document, the fields of that; every tracepoint is
in netpoll-tracepoints(7).
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path


def lint(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode != 0 or done.stdout or done.stderr else ""


def rendered(page):
    text = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=400", page], capture_output=True, text=True).stdout
    return re.sub(".\b", "", text)  # overstruck bold and underlined letters


def flags_of(binary, command):
    usage = subprocess.run([binary, "help", command], capture_output=True, text=True).stdout
    return re.findall(r"^  (?:-\w, |    )?(--[a-z-]+)", usage, re.M)


def own_page(binary, command, folder, overview):
    """What is wrong with the page of a command."""
    page = folder / f"netpoll-trace-{command}.1"
    if not page.exists():
        return [f"{page} is missing"]
    failures = [f"{page.name}: {said}" for said in [lint(page)] if said]
    text = rendered(page)
    failures += [f"{page.name}: {flag} is missing" for flag in flags_of(binary, command)
                 if not re.search(rf"(?<![\w-]){flag}(?![\w-])", text)]
    if f"netpoll-trace-{command}(1)" not in overview:
        failures.append(f"{page.name} is not named by netpoll-trace(1)")
    if "EXIT CODES" not in text:
        failures.append(f"{page.name} has no exit codes")
    schema = subprocess.run([binary, "help", "schema", command], capture_output=True, text=True)
    if schema.returncode == 0:
        properties = json.loads(schema.stdout).get("properties", {})
        common = {"schema", "tool", "host", "started_at", "target", "targets", "probe"}
        failures += [f"{page.name}: .{name} is missing" for name in properties.keys() - common
                     if not re.search(rf"^ +\.{name}\b", text, re.M)]
        if "JSON FIELDS" not in text:
            failures.append(f"{page.name} has no JSON fields")
    elif "JSON FIELDS" in text:
        failures.append(f"{page.name} has fields of no document")
    return failures


def main():
    binary, page, folder, tracepoints = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    if shutil.which("mandoc") is None:
        print("SKIPPED: mandoc is not installed")
        return 77
    failures = [f"{file.name}: {said}" for file in [Path(page), *folder.glob("*.7")] if (said := lint(file))]
    text = rendered(page)

    overview = subprocess.run([binary, "--help"], capture_output=True, text=True).stdout
    commands = re.findall(r"^  ([a-z-]+) ", overview.split("More help:")[0], re.M)
    for command in commands:
        if not re.search(rf"^ +{command}\b", text, re.M):
            failures.append(f"command {command} is not in the manual")
        failures += own_page(binary, command, folder, text)
    seventh = rendered(folder / "netpoll-tracepoints.7")
    common = rendered(folder / "netpoll-trace-json.7")
    failures += [f"netpoll-trace-json(7) lacks {name}" for name in (".tool", ".host", ".probe", "netpoll-trace/stat/v1")
                 if name not in common]
    with open(tracepoints, encoding="utf-8") as rows:
        for row in re.findall(r"^NETPOLL_TRACEPOINT\((\w+),", rows.read(), re.M):
            if not re.search(rf"^ +{row}\b", seventh, re.M):
                failures.append(f"tracepoint {row} is not in netpoll-tracepoints(7)")
    print(f"commands: {', '.join(commands)}")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures or not commands else 0


sys.exit(main())
