#!/usr/bin/env python3
"""Reads what compare writes for CI with programs that are not ours: compare_formats_test.py BINARY

junit: xmllint, and junitparser, which computes the totals again. github: the toolkit of Actions prints the reference,
where npm's @actions/core is installed. csv and markdown: Python's reader of CSV, and the cells of the tables.
"""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from checks import check, exit_status  # noqa: E402

HOSTILE = "a\"b\\c<d>&e;f,g%h\ni\u0001j::k|l`m</script>"


def run_document(per_op, p99):
    return {"schema": "netpoll-trace/run/v1", "started_at": "2026-03-01T12:00:00.250Z",
            "target": {"kind": "libruntime"}, "probe": {"backend": "ebpf", "lost": 0},
            "workload": {"name": "echo", "ops": 1000, "trigger": "edge"}, "operations": 1000,
            "latency_ns": {"p99": p99}, "poll": None,
            "syscalls": {"epoll_ctl": {"count": int(per_op * 1000), "per_op": per_op, "errors": {}},
                         HOSTILE: {"count": 3, "per_op": 0.003, "errors": {}}}}


def check_junit(text, limits_failed):
    if shutil.which("xmllint"):
        lint = subprocess.run(["xmllint", "--noout", "-"], input=text, capture_output=True, text=True)
        check(lint.returncode == 0, "xmllint accepts the XML", lint.stderr)
    else:
        print("skipped: xmllint (libxml2-utils) is not installed")
    try:
        import junitparser
    except ImportError:
        print("skipped: python3-junitparser is not installed")
        return
    report = junitparser.JUnitXml.fromstring(text.encode())
    claimed = [(s.name, s.tests, s.failures, s.errors, s.skipped) for s in report]
    for suite in report:
        suite.update_statistics()
        for case in suite:
            check(case.name and case.classname, "every case has a name")
    report.update_statistics()
    check(claimed == [(s.name, s.tests, s.failures, s.errors, s.skipped) for s in report], "totals are sums", claimed)
    by_name = {name: (failed, skipped) for name, _, failed, _, skipped in claimed}
    check(by_name["limits"][0] == limits_failed, "failed limits are failures", by_name)
    check(by_name["figures"][1] >= 1, "unknown figures are skipped", by_name)


def check_github(text, conditions):
    lines = text.splitlines()
    check(all(line.startswith("::") for line in lines), "every line is a command", text)
    check(lines[-1].startswith("::notice title=netpoll-trace compare%3A regression::"), "a notice sums up", lines[-1])
    check(lines[0].startswith("::error title=regression%3A syscalls.epoll_ctl.per_op::"), "the worst comes first", text)
    script = """
      const fs = require('fs'), url = require('url');
      const file = process.env.NODE_PATH.split(':').map(d => d + '/@actions/core/lib/core.js').find(f => fs.existsSync(f));
      import(url.pathToFileURL(file)).then(core => {
        for (const a of JSON.parse(process.argv[1])) core.error(a.message, a.properties);
      });
    """
    root = subprocess.run(["npm", "root", "-g"], capture_output=True, text=True).stdout.strip() if shutil.which("npm") else ""
    wanted = [{"message": f"{c['condition']} ({before} -> {after})", "properties": {
        "title": f"regression: {c['path']}", **({"file": c["source"]["file"], "startLine": c["source"]["line"],
                                                "startColumn": c["source"]["column"]} if c["source"] else {})}}
        for c, before, after in conditions]
    folders = ":".join(filter(None, [os.environ.get("NODE_PATH"), root]))
    done = subprocess.run(["node", "-e", script, json.dumps(wanted)], capture_output=True, text=True,
                          env={**os.environ, "NODE_PATH": folders}) if shutil.which("node") else None
    if done is None or done.returncode != 0:
        print("skipped: the reference for github, since npm's @actions/core is not installed")
        return
    print("compared with @actions/core")
    ours = [line for line in lines if line.startswith("::error ")]
    check(sorted(ours) == sorted(done.stdout.splitlines()), "annotations are those of the toolkit",
          f"{ours}\n  {done.stdout.splitlines()}")


def main():
    binary = sys.argv[1]

    def compare(*arguments, status):
        done = subprocess.run([binary, "compare", *arguments], capture_output=True, timeout=60)
        check(done.returncode == status, f"{arguments} ended with {done.returncode}", done.stderr.decode())
        return done.stdout.decode()

    with tempfile.TemporaryDirectory() as folder:
        base, head = (str(Path(folder) / name) for name in ("base.json", "head.json"))
        budget = str(Path(folder) / "budget, 100%:1.toml")
        Path(base).write_text(json.dumps(run_document(0.02, 1000)))
        Path(head).write_text(json.dumps(run_document(0.03, 1200)))
        Path(budget).write_text('version = 1\n[limits."latency_ns.p99"]\nmax_increase_pct = 5\n')
        gate = ("--fail-on", "syscalls.epoll_ctl.per_op > +2%", "--budget", budget)

        document = json.loads(compare(base, head, *gate, "--json", status=1))
        check([c["verdict"] for c in document["conditions"]] == ["regression", "regression"], "both limits are passed")
        check(document["conditions"][1]["source"] == {"file": budget, "line": 2, "column": 9}, "a budget names its line",
              document["conditions"][1]["source"])
        check_junit(compare(base, head, *gate, "-f", "junit", status=1), 2)
        check_github(compare(base, head, *gate, "-f", "github", status=1),
                     list(zip(document["conditions"], ["0.020000", "1.00 us"], ["0.030000", "1.20 us"])))

        rows = list(csv.reader(io.StringIO(compare(base, head, "-f", "csv", "--all", status=0), newline="")))
        check(rows[0][:4] == ["figure", "belongs_to", "base", "head"], "csv has a header", rows[0])
        check({len(row) for row in rows} == {len(rows[0])}, "csv rows are equally long")
        check(len(rows) == 1 + len(document["changes"]), "csv has every figure")
        check(any(HOSTILE in row[0] for row in rows), "csv keeps a hostile name as it is")
        value = {row[0]: row for row in rows}["syscalls.epoll_ctl.per_op"]
        check(value[2:4] == ["0.02", "0.03"], "csv keeps numbers exact", value)

        table = compare(base, head, *gate, "-f", "markdown", "--all", status=1)
        cells = {line.replace("\\|", "").count("|") for line in table.splitlines() if line.startswith("|")}
        check(cells == {5, 6}, "no name ends a cell", cells)
        check("<" not in table and "### netpoll-trace compare: regression" in table, "no tag in markdown", table)
    return exit_status()


sys.exit(main())
