#!/usr/bin/env python3
"""Judges our JSON documents by our JSON Schemas, with a validator that is not ours:
schema_test.py BINARY SCHEMA_DIR [DEBUG_ENDPOINT]

The schemas themselves must be valid and agree on what they share. The test copies are strict: every object that lists
its properties allows no other (unevaluatedProperties: false), so that a misspelt field fails; the installed schemas are
open for additions. The documents come from the real program.
"""

import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from checks import check, exit_status, strict  # noqa: E402



def load_schemas(folder):
    schemas = {path.stem: json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))}
    shared = {}
    for name, schema in schemas.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        check(schema["$id"] == f"urn:netpoll-trace:schema:{name}:v1", f"$id of {name}")
        # Of a stream, the first kind of line says it.
        members = schema.get("properties") or schema["oneOf"][0]["properties"]
        check(members["schema"] == {"const": f"netpoll-trace/{name}/v1"}, f"schema member of {name}")
        for key, definition in schema.get("$defs", {}).items():
            first = shared.setdefault(key, (name, definition))
            check(first[1] == definition, f"$defs/{key} differs between {first[0]} and {name}")
    return schemas


class Judge:
    def __init__(self, schemas):
        self.schemas = schemas
        self.seen = set()

    def errors(self, document):
        name = document.get("schema", "").split("/")[1]
        validator = jsonschema.Draft202012Validator(strict(self.schemas[name]), format_checker=jsonschema.FormatChecker())
        return name, [f"{'.'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in validator.iter_errors(document)]

    def accept(self, text, what):
        try:
            document = json.loads(text)
        except ValueError as error:
            check(False, f"{what} is no JSON", f"{error}: {text[:200]}")
            return None
        name, errors = self.errors(document)
        self.seen.add(name)
        check(not errors, f"{what} breaks the schema of {name}", "\n  ".join(errors[:10]))
        print(f"checked {what}")
        return document


def main():
    binary, folder = sys.argv[1:3]
    schemas = load_schemas(folder)
    judge = Judge(schemas)

    def tool(*arguments, ok=(0,), **options):
        done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=120, **options)
        check(done.returncode in ok, f"{' '.join(arguments)} ended with {done.returncode}", done.stderr)
        return done.stdout

    for name in schemas:
        check(json.loads(tool("help", "schema", name)) == schemas[name], f"help schema {name} prints the file")

    echo = ("run", "echo", "--conns", "2", "--ops", "200", "--json")
    first = judge.accept(tool(*echo), "run echo")
    judge.accept(tool("run", "echo", "--conns", "2", "--ops", "50", "--trigger", "edge,oneshot", "-r", "2", "--json"),
                 "run of two designs")
    for backend in ("ptrace", "self", "none"):
        judge.accept(tool(*echo, "--backend", backend), f"run echo, back end {backend}")
    for workload in ("idle", "deadline", "pipe", "reuseport", "cpu", "slow", "udp", "pipeline", "churn", "fanin", "proxy"):
        bound = ("--duration", "100ms") if workload == "idle" else ("--ops", "20")
        judge.accept(tool("run", workload, *bound, "--conns", "2", "--json"), f"run {workload}")

    doctor = judge.accept(tool("doctor", "--json", ok=(0, 3)), "doctor")
    if any(feature["name"] == "perf_counts" and feature["ok"] for feature in doctor["machine"]):
        perf = judge.accept(tool(*echo, "--backend", "perf"), "run echo, back end perf")
        check(perf["syscalls"]["read"]["total_ns"] is None and perf["syscalls"]["read"]["count"] > 0, "unknown is null")
        judge.accept(tool("stat", "--json", "--backend", "perf", "-o", "-", "--", "true"), "stat, back end perf")
    else:
        print("skipped: the back end perf, which does not work here (doctor says why)")

    lines = tool("trace", "-f", "ndjson", "-o", "-", "--backend", "self" if os.getuid() else "auto", "--", binary, "run",
                 "echo", "--ops", "50", "--conns", "2", "--backend", "none", "-o", "/dev/null", ok=(0, 3)).splitlines()
    validator = jsonschema.Draft202012Validator(strict(schemas["trace"]), format_checker=jsonschema.FormatChecker())
    for line in lines:
        errors = [error.message[:300] for error in validator.iter_errors(json.loads(line))]
        if errors:
            check(False, "a line of trace breaks its schema", f"{line[:300]}: {errors[:3]}")
            break
    check(len(lines) > 2, "trace has lines")
    judge.seen.add("trace")
    judge.accept(tool("trace", "--summary", "--json", "-o", "-", "--backend", "self" if os.getuid() else "auto", "--", binary,
                      "run", "echo", "--ops", "50", "--conns", "2", "--backend", "none", "-o", "/dev/null", ok=(0, 3)),
                 "trace --summary")
    judge.accept(tool("stat", "--json", "-o", "/dev/stdout", "--", "true"), "stat of a command")
    judge.accept(tool("stat", "--json", "-r", "2", "-o", "-", "--", "true"), "stat repeated")
    sleeper = subprocess.Popen(["sleep", "300"])
    other = subprocess.Popen(["sleep", "300"])
    try:
        pid = str(sleeper.pid)
        judge.accept(tool("stat", "-p", pid, "-d", "200ms", "-i", "50ms", "--json"), "stat in intervals")
        judge.accept(tool("stat", "-p", pid, "-d", "50ms", "--per", "futex", "--json"), "stat --per")
        for flag in ("--per-process", "--per-thread", "--per-fd", "--by-cgroup"):
            if os.geteuid() == 0:
                judge.accept(tool("stat", "--json", flag, "-i", "10ms", "-o", "-", "--", "sleep", "0.01"), f"stat {flag}")
        judge.accept(tool("stat", "-p", f"{pid},{other.pid}", "-d", "50ms", "--json"), "stat of two processes")
    finally:
        for process in (sleeper, other):
            process.kill()
            process.wait()

    server = subprocess.Popen([binary, "run", "idle", "--conns", "3", "--duration", "5m", "--backend", "none", "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = server.stderr.readline()
        pid = line.split("pid ")[1].split(",")[0]
        judge.accept(tool("snapshot", "-p", pid, "--json"), "snapshot")
        judge.accept(tool("snapshot", "-p", pid, "--all", "--json"), "snapshot --all")
        judge.accept(tool("snapshot", "-p", pid, "--follow", "--json"), "snapshot --follow")
        judge.accept(tool("snapshot", "-p", pid, "--graph", "--follow", "--json"), "snapshot --graph")
        judge.accept(tool("epoll", "-p", pid, "--json"), "epoll")
        judge.accept(tool("lint", "-p", pid, "--json"), "lint")
        judge.accept(tool("top", "-p", pid, "--json", "-n", "1"), "top")
        for view in (["--summary"], ["--tree", "--top", "2"], ["--redact", "labels,peers,args"], ["--group-by", "peer"]):
            judge.accept(tool("snapshot", "-p", pid, "--json", *view), "snapshot " + " ".join(view))
        with tempfile.TemporaryDirectory() as folder:
            dump = os.path.join(folder, "dump.txt")
            Path(dump).write_text("goroutine 7 [IO wait, 2 minutes]:\nmain.f(...)\n\t/src/main.go:1 +0x1\n")
            judge.accept(tool("snapshot", "--annotate", dump, "--json"), "snapshot --annotate")
            base = os.path.join(folder, "base.json")
            Path(base).write_text(tool("snapshot", "-p", pid, "--json"))
            judge.accept(tool("snapshot", "-p", pid, "--diff", base, "--json"), "snapshot --diff")
            gcore = shutil.which("gcore")
            core = os.path.join(folder, "core")
            if gcore and subprocess.run([gcore, "-o", core, pid], capture_output=True).returncode == 0:
                judge.accept(tool("snapshot", "--core", f"{core}.{pid}", "--json"), "snapshot --core")
            else:
                print("skipped: snapshot --core, since there is no gcore, or it may not attach")
    finally:
        server.terminate()
        judge.accept(server.communicate()[0], "run idle, interrupted")

    if any(sys.argv[3:]):
        program = subprocess.Popen([sys.argv[3], "127.0.0.1:0", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        try:
            address = program.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"http://{address}/debug/netpoll", timeout=60) as answer:
                judge.accept(answer.read().decode(), "/debug/netpoll of a program")
        finally:
            program.kill()
            program.wait()
    else:
        print("skipped: /debug/netpoll, since the build has no netpoll::debug")

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "base.json")
        Path(path).write_text(json.dumps(first))
        condition = ("--fail-on", "syscalls.epoll_ctl.count > +2%", "--fail-on", "operations < 1")
        condition += ("--fail-on", "changed")
        judge.accept(tool("compare", path, path, *condition, "--json") if first["syscalls"] else
                     tool("compare", path, path, "--json"), "compare")

    judge.accept(tool("claims", "--json"), "claims")

    # The strict copies do reject what they should.
    wrong = copy.deepcopy(first)
    wrong["syscals"] = {}
    check(judge.errors(wrong)[1], "a misspelt field is found")
    wrong = copy.deepcopy(first)
    wrong["server"]["conections"] = 1
    check(judge.errors(wrong)[1], "a misspelt field further down is found")

    check(judge.seen | {"doctor"} >= set(schemas), f"documents without an example: {set(schemas) - judge.seen}")
    if "doctor" in schemas:
        judge.accept(tool("doctor", "--json", ok=(0, 3)), "doctor")
    return exit_status()


if __name__ == "__main__":
    sys.exit(main())
