#!/usr/bin/env python3
"""One trace, snapshot, result and verdict through every format there is, each read back by a reader that is not ours:
every_format_test.py BINARY PROTOS

With strings that mean something to some format, and with no event, one and twenty (a million: export_test.py). What
`export --list` names and this file does not fails.
"""

import csv
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import perfetto  # noqa: E402
import scenario  # noqa: E402
from scenario import HOSTILE  # noqa: E402

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
    from prometheus_client.parser import text_string_to_metric_families as old_metrics
except ImportError:
    open_metrics = old_metrics = None

BINARY, PROTOS = sys.argv[1:3]
tool = scenario.Tool(BINARY)
# Formats of lines and words spell control characters out.
SPELLED = HOSTILE.replace("\n", "\\n").replace("\x01", "\\x01").replace("\x1b", "\\x1b")


class Missing(Exception):
    """A reader that is not installed."""


def needed(program):
    if not shutil.which(program):
        raise Missing(f"{program} is not installed")


def text_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def lines_of(path):
    text = text_of(path)
    assert not text or text.endswith("\n"), text[-100:]
    return text.split("\n")[:-1]


def visible(path):
    for line in lines_of(path):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line), line
    return lines_of(path)


def json_lines(path):
    return [json.loads(line) for line in lines_of(path)]


def page_of(path):
    """The data of a page, whatever is in it."""
    found = {"data": ""}

    class Reader(html.parser.HTMLParser):
        inside = None

        def handle_starttag(self, tag, attrs):
            self.inside = "data" if tag == "script" and dict(attrs).get("type") == "application/json" else tag

        def handle_endtag(self, tag):
            self.inside = None

        def handle_data(self, data):
            if self.inside in found:
                found[self.inside] += data

    reader = Reader(convert_charrefs=True)
    reader.feed(text_of(path))
    reader.close()
    return found


def pprof(path):
    needed("go")
    done = subprocess.run(["go", "tool", "pprof", "-raw", path], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PPROF_TMPDIR": os.path.dirname(path)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def metrics(parser):
    def read(path):
        if parser is None:
            raise Missing("python3-prometheus-client is not installed")
        return {sample.name: sample for family in parser(text_of(path)) for sample in family.samples}
    return read


def protobuf(path):
    needed("protoc")
    return perfetto.Trace(path, PROTOS)


READERS = {"table": visible, "json": lambda path: json.loads(text_of(path)), "text": visible, "ndjson": json_lines,
           "perfetto": protobuf, "chrome": lambda path: json.loads(text_of(path)),
           "speedscope": lambda path: json.loads(text_of(path)), "html": page_of, "debug1": visible, "debug2": visible,
           "folded": visible, "pprof": pprof,
           "csv": lambda path: list(csv.reader(text_of(path).splitlines(keepends=True), strict=True)),
           "markdown": visible, "junit": lambda path: xml.fromstring(text_of(path)), "github": visible,
           "prometheus": metrics(old_metrics), "openmetrics": metrics(open_metrics), "otlp": json_lines}


def span_count(requests):
    return sum(len(scope["spans"]) for request in requests for resource in request["resourceSpans"]
               for scope in resource["scopeSpans"])


def event_total(samples):
    return sum(value.value for value in samples.values() if value.name == "netpoll_events_total")


# Format -> (what was understood, events of the trace, waits for the network that ended) -> whether that is all of it.
TRACE = {
    "text": lambda lines, events, _: len(lines) == events + 1,
    "ndjson": lambda lines, events, _: (len(lines) == events + 2 and lines[0]["target"]["comm"] == HOSTILE
                                        and lines[-1]["events"] == events),
    "perfetto": lambda trace, events, _: (not events or any(SPELLED in trace.name_of(t) or HOSTILE in trace.name_of(t)
                                                            for t in trace.tracks)),
    "chrome": lambda document, events, _: document["otherData"]["events"] == str(events),
    "speedscope": lambda document, *_: document["name"] == HOSTILE,
    "html": lambda page, events, _: ((data := json.loads(page["data"]))["title"], data["events"]) == (HOSTILE, events),
    "folded": lambda lines, _, waits: (sum(line.endswith(" 19000") and "[park" in line for line in lines) == waits
                                       and all(re.search(r" \d+$", line) for line in lines)),
    "pprof": lambda raw, _, waits: len(re.findall(r"\n +1 +19000 +1800:", raw)) == waits,
    "prometheus": lambda samples, *_: (samples["netpoll_target_info"].labels["comm"] == SPELLED
                                       and samples["netpoll_trace_complete"].value == 1),
    "openmetrics": lambda samples, *_: samples["netpoll_target_info"].labels["comm"] == SPELLED,
    "otlp": lambda requests, _, waits: span_count(requests) == waits and SPELLED in json.dumps(requests, ensure_ascii=False)
    .replace("\\\\", "\\").replace('\\"', '"'),
}


def goroutine(goid):
    return {"goid": goid, "status": "waiting", "wait_reason": "IO wait", "wait_ns": 5_000_000_000, "fd": 7, "mode": "read",
            "kind": "unix", "peer": "unix:/" + HOSTILE, "labels": {'k;e"y': HOSTILE},
            "stack": [{"function": "main." + HOSTILE, "file": "/" + HOSTILE, "line": 12, "pc": "0x500020",
                       "inlined": False, "hidden": False}]}


def snapshot(count):
    return {"schema": "netpoll-trace/snapshot/v1", "started_at": "2026-01-01T00:00:00.000Z",
            "target": {"pid": 41, "comm": HOSTILE, "kind": "go", "exe": None, "runtime_version": "go1.22"},
            "goroutines": [goroutine(goid) for goid in range(1, count + 1)]}


SNAPSHOT = {
    "table": lambda lines, count: bool(lines),
    "json": lambda document, count: len(document["goroutines"]) == count and document["target"]["comm"] == HOSTILE,
    "ndjson": lambda lines, count: len(lines) == count + 2 and all(line["labels"] == {'k;e"y': HOSTILE} for line in lines[1:-1]),
    "html": lambda page, count: ((data := json.loads(page["data"]))["document"]["target"]["comm"] == HOSTILE
                                 and data["stacks"] == [[0]] * count and len(data["document"]["goroutines"]) == count),
    "debug1": lambda lines, count: lines[0] == f"goroutine profile: total {count}",
    "debug2": lambda lines, count: sum(line.startswith("goroutine ") for line in lines) == count,
    "folded": lambda lines, count: sum(int(line.rsplit(" ", 1)[1]) for line in lines) == count,
    "pprof": lambda raw, count: count == 0 or re.search(rf"\n +{count} +{count * 5_000_000_000}: 1", raw),
    "prometheus": lambda samples, count: samples["netpoll_io_waits_without_deadline"].value == count,
    "openmetrics": lambda samples, count: samples["netpoll_io_waits_without_deadline"].value == count,
    "otlp": lambda requests, count: f'"asInt":"{count}"' in json.dumps(requests, separators=(",", ":")),
}


def result(per_op):
    return {"schema": "netpoll-trace/run/v1", "started_at": "2026-03-01T12:00:00.250Z",
            "target": {"kind": "libruntime", "pid": 41, "comm": HOSTILE}, "probe": {"backend": "ebpf", "lost": 0},
            "workload": {"name": "echo", "ops": 1000, "trigger": "edge"}, "operations": 1000,
            "latency_ns": {"p99": 5}, "poll": None,
            "syscalls": {"epoll_ctl": {"count": int(per_op * 1000), "per_op": per_op, "errors": {}},
                         HOSTILE: {"count": 3, "per_op": 0.003, "errors": {}}}}


RESULT = {
    "table": lambda lines: any(re.match(r"epoll_ctl +2,000 ", line) for line in lines),
    "json": lambda document: document["syscalls"][HOSTILE]["count"] == 3,
    "ndjson": lambda lines: lines[0]["schema"] == "netpoll-trace/run/v1",
    "html": lambda page: json.loads(page["data"])["document"]["syscalls"][HOSTILE]["count"] == 3,
    "csv": lambda rows: any(HOSTILE in row[0] for row in rows) and len({len(row) for row in rows}) == 1,
    "markdown": lambda lines: "| syscalls.epoll\\_ctl.count | 2000 |  |  |" in lines,
    "prometheus": lambda samples: samples["netpoll_operations_total"].value == 1000,
    "openmetrics": lambda samples: samples["netpoll_operations_total"].value == 1000,
    "otlp": lambda requests: "netpoll.operations" in json.dumps(requests) or "netpoll_operations" in json.dumps(requests),
}
VERDICT = {
    "table": lambda lines: any("regression" in line for line in lines),
    "json": lambda document: document["verdict"] == "regression",
    "html": lambda page: json.loads(page["data"])["document"]["verdict"] == "regression",
    "csv": lambda rows: any(HOSTILE in row[0] for row in rows) and len({len(row) for row in rows}) == 1,
    "markdown": lambda lines: any("regression" in line for line in lines),
    "junit": lambda root: int(root.get("failures")) >= 1,
    "github": lambda lines: all(line.startswith("::") for line in lines) and any(line.startswith("::error") for line in lines),
}


class EveryFormat(scenario.InFolder):
    def written(self, document):
        with open(self.path("document"), "w", encoding="utf-8") as file:
            json.dump(document, file)
        return self.path("document")

    def through(self, source, wanted, *understood):
        """Every format of the content, by its reader; wanted is one of the tables."""
        missing = set()
        for name, whole in wanted.items():
            with self.subTest(format=name, understood=understood):
                out = self.path("out")
                tool("export", source, "-f", name, "-o", out)
                try:
                    read = READERS[name](out)
                except Missing as why:
                    missing.add(f"{name}: {why}")
                    continue
                self.assertTrue(whole(read, *understood), text_of(out) if name != "pprof" and name != "perfetto" else read)
        for why in sorted(missing):
            print("SKIPPED:", why)

    def test_every_format_has_a_reader_for_all_that_it_takes(self):
        listed = {content: set() for content in ("trace", "snapshot", "result", "verdict")}
        for row in tool("export", "--list").stdout.decode().splitlines()[1:]:
            name, accepts = re.match(r"(\S+) +((?:\w+, )*\w+)", row).groups()
            for content in accepts.split(", "):
                listed[content].add(name)
        self.assertEqual(listed, {"trace": set(TRACE), "snapshot": set(SNAPSHOT), "result": set(RESULT),
                                  "verdict": set(VERDICT)})

    def test_a_trace_of_no_event_one_and_twenty(self):
        story = scenario.story()
        for events, waits in (([], 0), (story[:1], 0), (story, 1)):
            source = self.path("trace")
            scenario.write(source, [scenario.meta(HOSTILE), *events, scenario.end(len(events))])
            self.through(source, TRACE, len(events), waits)

    def test_a_snapshot_of_no_goroutine_one_and_two(self):
        for count in (0, 1, 2):
            self.through(self.written(snapshot(count)), SNAPSHOT, count)

    def test_a_result(self):
        self.through(self.written(result(2)), RESULT)

    def test_a_verdict(self):
        for side, per_op in (("base", 1), ("head", 2)):
            with open(self.path(side), "w", encoding="utf-8") as file:
                json.dump(result(per_op), file)
        verdict = self.path("verdict")
        tool("compare", self.path("base"), self.path("head"), "--fail-on", "syscalls.epoll_ctl.per_op > +2%", "--json",
             "-o", verdict, ok=1)
        self.through(verdict, VERDICT)

    def test_a_document_that_lacks_its_members_crashes_nothing(self):
        for kind in ("claims", "compare", "doctor", "epoll", "graph", "lint", "matrix", "run", "snapshot", "stat", "trace-summary"):
            source = self.written({"schema": f"netpoll-trace/{kind}/v1"})
            for name in sorted(set(SNAPSHOT) | set(RESULT) | set(VERDICT)):
                done = tool("export", source, "-f", name, "-o", self.path("out"), ok=None)
                with self.subTest(kind=kind, format=name):
                    self.assertIn(done.returncode, (0, 2, 3), done.stderr)
                    self.assertNotIn(b"json.exception", done.stderr)

    def test_a_disk_that_is_full_is_said_by_all(self):
        story = scenario.story()
        source = self.path("trace")
        scenario.write(source, [scenario.meta(HOSTILE), *story, scenario.end(len(story))])
        for name in TRACE:
            done = tool("export", source, "-f", name, "-o", "/dev/full", ok=3)
            self.assertIn(b"No space left on device", done.stderr, name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
