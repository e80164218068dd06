#!/usr/bin/env python3
"""The tool for Windows, started through whatever runs its programs here: windows_test.py BINARY WAITING LAUNCHER...

Its documents are judged by the schemas that it prints itself, as strictly as those of Linux (schema_test.py), and what
a run counts is exact.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from checks import check, exit_status  # noqa: E402
from schema_test import Judge  # noqa: E402


def snapshots(tool, judge, command):
    """What snapshot says of a program, which says itself which of its goroutines waits for what."""
    # While it lives Wine does not begin anew with the numbers of processes; else the tool may be who is gone.
    witness = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while witness.stdout.readline() not in ("ready\n", ""):
        pass
    target = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        said, pid = {}, None
        for line in target.stdout:
            word, *rest = line.split()
            if word == "ready":
                break
            if word == "pid":
                pid = rest[0]
            else:
                said[int(rest[0])] = rest[1:]
        document = judge.accept(tool("snapshot", "-p", pid, "--all", "--json"), "snapshot")
        check(document["target"]["kind"] == "libruntime" and str(document["target"]["pid"]) == pid, "the target",
              document["target"])
        check(document["target"]["comm"] == "waiting.exe", "its program", document["target"])
        seen = {row["goid"]: row for row in document["goroutines"]}
        check(set(said) <= set(seen), "its goroutines", sorted(seen))
        for goid, (wait, *fd) in said.items():
            row = seen[goid]
            in_io = wait in ("accept", "read", "deadline")
            check((row["wait_reason"] == "IO wait") == in_io, f"what {goid} waits for", row)
            check(row["wait_ns"] is not None and row["wait_ns"] > 0, f"since when {goid} waits", row)
            check(row["fd"] == (int(fd[0]) if fd else None), f"the descriptor of {goid}", row)
            check((row["deadline"] is not None) == (wait == "deadline"), f"the deadline of {goid}", row)
        waits = [row for row in said.values() if row[0] in ("accept", "read", "deadline")]
        listed = judge.accept(tool("snapshot", "-p", pid, "--json"), "snapshot of the waits")
        check(listed["matching"] == len(waits) == 6, "those in IO wait", listed["matching"])
        check(judge.accept(tool("snapshot", "-p", pid, "--no-deadline", "--json"), "snapshot")["matching"] == 5,
              "those that no deadline bounds")
        check("IO wait 6" in tool("snapshot", "-p", pid), "the page")
        check("IO wait" in tool("snapshot", "-p", pid, "-f", "debug2"), "a dump")
    finally:
        target.stdin.close()
        target.wait(timeout=60)
    check("no such process" in tool("snapshot", "-p", pid, status=3), "a process that is gone")
    witness.communicate(timeout=60)
    check("-p PID" in tool("snapshot", status=2), "no process")
    check("--core" in tool("snapshot", "--core", "file", status=2), "an option of other systems")


def configuration(tool, folder, launcher, binary):
    """Where it is looked for, under names of many scripts."""
    name = "\u03bb\u65e5\u672c"
    (folder / name / "netpoll-trace").mkdir(parents=True)
    file = folder / name / "netpoll-trace" / "config.toml"
    file.write_text("[run]\nops = 60\n", encoding="utf-8")
    short = ("run", "echo", "--conns", "2", "--json")

    def operations(text):
        return json.loads(text)["operations"]

    named = f"{name}\\netpoll-trace\\config.toml"
    check(operations(tool(*short, environment={"NETPOLL_TRACE_CONFIG": named})) == 60, "a configuration that is named")
    check(operations(tool(*short, environment={"NETPOLL_TRACE_CONFIG": named, "NETPOLL_TRACE_RUN_OPS": "80"})) == 80,
          "the environment beats it")
    check("no.toml: " in (said := tool(*short, status=2, environment={"NETPOLL_TRACE_CONFIG": f"{name}\\no.toml"})) and
          name in said and "CONFIG=NUL" in said, "one that is not there", said)
    check(operations(tool(*short, "--ops", "50", environment={"NETPOLL_TRACE_CONFIG": "NUL"})) == 50, "none")

    # Set by a program of Windows, since Wine sets APPDATA itself for the first one.
    def by_default(status=0):
        command = subprocess.run([*launcher, "cmd", "/c", "cd"], capture_output=True, text=True, timeout=120, cwd=folder)
        here = command.stdout.strip()
        done = subprocess.run([*launcher, "cmd", "/c", f"set APPDATA={here}\\{name}&& {binary} {' '.join(short)}"],
                              capture_output=True, text=True, timeout=120, cwd=folder, stdin=subprocess.DEVNULL)
        check(done.returncode == status, f"by the default configuration: {done.returncode}", done.stderr)
        return done.stdout if status == 0 else done.stderr

    check(operations(by_default()) == 60, "the configuration in APPDATA")
    file.write_text("[run]\nopps = 60\n", encoding="utf-8")
    check(f"{name}\\netpoll-trace\\config.toml:2:1: " in (said := by_default(2)), "a mistake in it", said)


def main():
    binary, waiting, *launcher = sys.argv[1:]

    with tempfile.TemporaryDirectory() as folder:
        def tool(*arguments, status=0, environment=None):
            done = subprocess.run([*launcher, binary, *arguments], capture_output=True, text=True, timeout=120,
                                  cwd=folder, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
            check(done.returncode == status, f"{' '.join(arguments)} ended with {done.returncode}", done.stderr)
            return done.stdout if status == 0 else done.stderr

        judge = Judge({name: json.loads(tool("help", "schema", name)) for name in ("run", "doctor", "compare", "snapshot")})

        check(re.fullmatch(r"netpoll-trace \d+\.\d+\.\d+\s*", tool("--version")), "--version")
        overview = tool("--help")
        commands = re.findall(r"^  ([a-z-]+) ", overview.split("Commands:")[1].split("More help:")[0], re.MULTILINE)
        check(commands == ["run", "snapshot", "compare", "doctor", "gen-config", "help"], "--help lists what is there", commands)
        check("unknown command" in tool("stat", status=2), "a command that is not there")

        doctor = judge.accept(tool("doctor", "--json"), "doctor")
        check(doctor["command_backend"] == "self" and doctor["backend"] is None, "doctor's back ends", doctor)
        features = {row["name"]: row["ok"] for row in doctor["machine"]}
        check(features.get("self_counts") is True and features.get("kernel_counts") is False, "doctor", features)
        check(features.get("read_memory") is True and features.get("read_more") is False, "doctor of snapshots", features)

        snapshots(tool, judge, [*launcher, waiting, "5"])

        def run(workload, operations, *arguments):
            document = judge.accept(tool("run", workload, *arguments, "--json"), f"run {workload}")
            check(document["operations"] == operations, f"operations of {workload}", document["operations"])
            server = document["server"]
            check(server["errors"] == server["mismatches"] == 0, f"errors of {workload}", server)
            check(document["probe"]["backend"] == "self" and document["probe"]["lost"] == 0, "back end",
                  document["probe"])
            return document

        echo = run("echo", 200, "--conns", "4", "--ops", "200", "--size", "100", "--save", "base.json")
        check(echo["server"]["operations"] == 200 and echo["server"]["connections"] == 4, "echo's server")
        check(echo["load"]["bytes_sent"] == echo["load"]["bytes_received"] == 20000, "echo's bytes", echo["load"])
        check(echo["tracepoints"]["go_create"]["count"] == 5, "libruntime's counters", echo["tracepoints"])
        large = run("pipeline", 12, "--conns", "2", "--ops", "12", "--size", "300k", "--depth", "3")
        check(large["load"]["bytes_received"] == 12 * 300_000, "bytes of a pipeline", large["load"])
        churn = run("churn", 40, "--conns", "4", "--ops", "40", "--warmup", "8")
        check(churn["load"]["connections"] == churn["server"]["connections"] == 48, "churn's connections", churn["load"])
        idle = run("idle", 20, "--conns", "20", "--duration", "200ms")
        check(idle["server"]["connections"] == 20, "idle's connections", idle["server"])
        run("deadline", 20, "--conns", "4", "--ops", "20")
        pipes = run("pipe", 200, "--conns", "4", "--ops", "200", "--size", "200k")
        check(pipes["server"]["bytes_read"] == 200 * 200_000, "bytes through pipes", pipes["server"])
        slow = run("slow", 8, "--conns", "4", "--ops", "8", "--size", "300k")
        check(slow["load"]["bytes_received"] == 8 * 300_000, "bytes of slow readers", slow["load"])
        udp = run("udp", 200, "--conns", "4", "--ops", "200", "--size", "1000")
        check(udp["server"]["operations"] >= 200, "datagrams answered", udp["server"])

        table = tool("run", "echo", "--conns", "4", "--ops", "200", "--size", "100", "--save", "head.json")
        check("operations" in table and "latency" in table, "the table of run", table)
        tool("compare", "base.json", "base.json", "--json", "-o", "verdict.json")
        judge.accept((Path(folder) / "verdict.json").read_text(), "compare")
        check("base.json" in tool("compare", "base.json", "head.json"), "the table of compare")
        names = sorted(path.name for path in Path(folder).iterdir())
        check(names == ["base.json", "head.json", "verdict.json"], "files are there, and nothing beside them", names)
        tool("compare", "base.json", "base.json", "--json", "-o", "caf\u00e9 \u65e5\u672c.json")
        judge.accept((Path(folder) / "caf\u00e9 \u65e5\u672c.json").read_text(), "a file with a name of many scripts")
        (Path(folder) / "base.json").rename(Path(folder) / "\u03b2ase.json")
        check("\u03b2ase.json" in tool("compare", "\u03b2ase.json", "head.json"), "such a file is read")
        check("none.json" in tool("compare", "none.json", "head.json", status=2), "a file that is not there")

        check("is no baseline" in tool("compare", "--baseline", "\u03b2", "head.json", status=2), "no baseline yet")
        tool("compare", "--baseline", "\u03b2", "--update", "head.json")
        check(len(list((Path(folder) / "\u03b2").glob("echo-*.json"))) == 1, "a baseline in a folder with such a name")
        tool("compare", "--baseline", "\u03b2", "head.json")
        configuration(tool, Path(folder), launcher, binary)

        check("no SO_REUSEPORT" in tool("run", "reuseport", status=3), "a workload that is not there, and why")
        check("unknown workload" in tool("run", "nothing", status=2), "a workload that is nowhere")
        check("not on Windows" in tool("run", "echo", "--backend", "ebpf", status=3), "a back end that is not there")
    return exit_status()


if __name__ == "__main__":
    sys.exit(main())
