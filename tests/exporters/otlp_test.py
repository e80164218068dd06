#!/usr/bin/env python3
"""-f otlp as a collector reads it: otlp_test.py BINARY PROTOS

Each line is parsed by protobuf with OpenTelemetry's messages, of which no field may be unknown, and comes back unchanged;
figures are those of the JSON of the same tool. Where the official messages are installed (opentelemetry-proto), they are
asked, too.
"""

import base64
import importlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

try:
    from google.protobuf import json_format
except ImportError:
    print("SKIPPED: python3-protobuf is not installed")
    sys.exit(77)
if not shutil.which("protoc"):
    print("SKIPPED: protobuf-compiler is not installed")
    sys.exit(77)

BINARY, PROTOS = sys.argv[1:3]
PATIENCE = 60
IDS = {"traceId": 16, "spanId": 8}


def messages():
    """Pairs of request classes: ours, and the official ones where there are any."""
    folder = tempfile.mkdtemp()
    subprocess.run(["protoc", "-I", PROTOS, "--python_out", folder, "otlp.proto"], check=True)
    sys.path.insert(0, folder)
    ours = importlib.import_module("otlp_pb2")
    found = [(ours.ExportMetricsServiceRequest, ours.ExportTraceServiceRequest)]
    try:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        found.append((ExportMetricsServiceRequest, ExportTraceServiceRequest))
    except ImportError:
        print("SKIPPED: the official messages (opentelemetry-proto) are not installed; ours judge alone")
    shutil.rmtree(folder)
    return found


MESSAGES = messages()


def with_ids(node, change):
    """The same JSON with its ids changed: OTLP has hex where protobuf's JSON has base64."""
    if isinstance(node, dict):
        return {key: change(key, value) if key in IDS else with_ids(value, change) for key, value in node.items()}
    return [with_ids(one, change) for one in node] if isinstance(node, list) else node


def to_base64(key, text):
    if not re.fullmatch(r"[0-9a-f]{%d}" % (2 * IDS[key]), text) or set(text) == {"0"}:
        raise AssertionError(f"{key} is no id: {text}")
    return base64.b64encode(bytes.fromhex(text)).decode()


def to_hex(_, text):
    return base64.b64decode(text).hex()


class Otlp(unittest.TestCase):
    maxDiff = 2000

    def exported(self, *command):
        """The requests as JSON, each having gone through protobuf and back."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "out"
            split = command.index("--") if "--" in command else len(command)
            done = subprocess.run([BINARY, *command[:split], "-f", "otlp", "-o", str(path), *command[split:]],
                                  capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 0, done.stderr)
            requests = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for request in requests:
            for metrics, traces in MESSAGES:
                message = (metrics if "resourceMetrics" in request else traces)()
                json_format.ParseDict(with_ids(request, to_base64), message)
                back = with_ids(json_format.MessageToDict(message, use_integers_for_enums=True), to_hex)
                self.assertEqual(self.without_empty(back), self.without_empty(request))
        return requests

    def without_empty(self, node):
        """What protobuf does not tell apart from a missing field."""
        if isinstance(node, dict):
            clean = {key: self.without_empty(value) for key, value in node.items()}
            return {key: value for key, value in clean.items() if value not in ([], {}, "", 0, "0") or key in
                    ("asInt", "asDouble", "intValue", "sum")}
        return [self.without_empty(one) for one in node] if isinstance(node, list) else node

    def metrics(self, request):
        resource, = request["resourceMetrics"]
        attributes = {a["key"]: list(a["value"].values())[0] for a in resource["resource"]["attributes"]}
        scope, = resource["scopeMetrics"]
        self.assertEqual(scope["scope"]["name"], "netpoll-trace")
        return attributes, {metric["name"]: metric for metric in scope["metrics"]}

    def test_a_result_is_metrics(self):
        before = time.time_ns() - 1_000_000
        request, = self.exported("run", "echo", "--conns", "2", "--ops", "500")
        attributes, metrics = self.metrics(request)
        self.assertTrue(attributes["service.name"])
        self.assertGreater(int(attributes["process.pid"]), 1)
        operations, = metrics["netpoll.operations"]["sum"]["dataPoints"]
        self.assertEqual(operations["asInt"], "500")
        self.assertTrue(metrics["netpoll.operations"]["sum"]["isMonotonic"])
        self.assertEqual(metrics["netpoll.operations"]["sum"]["aggregationTemporality"], 2)
        start, end = int(operations["startTimeUnixNano"]), int(operations["timeUnixNano"])
        self.assertLessEqual(before, start)
        self.assertLess(start, end)
        self.assertLessEqual(end, time.time_ns() + 1_000_000)
        for metric in metrics.values():
            self.assertIn(metric["unit"], ("1", "s", "By"))
            for point in metric.get("histogram", {}).get("dataPoints", []):
                self.assertEqual(len(point["bucketCounts"]), len(point["explicitBounds"]) + 1)
                self.assertEqual(sum(map(int, point["bucketCounts"])), int(point["count"]))
                self.assertEqual(point["explicitBounds"], sorted(point["explicitBounds"]))

    def test_a_snapshot_is_gauges(self):
        server = subprocess.Popen([BINARY, "run", "echo", "--serve", "127.0.0.1:0", "--backend", "none"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            pid = re.search(r"pid (\d+)", server.stderr.readline()).group(1)
            request, = self.exported("snapshot", "-p", pid)
            attributes, metrics = self.metrics(request)
            self.assertEqual(attributes["process.pid"], pid)
            waits = {p["attributes"][0]["value"]["stringValue"]: p["asInt"]
                     for p in metrics["netpoll.io_waits"]["gauge"]["dataPoints"]}
            self.assertEqual(waits, {"read": "1", "write": "0"})
        finally:
            server.kill()
            server.wait(timeout=PATIENCE)
            server.stderr.close()

    def test_a_trace_is_a_span_for_each_wait(self):
        probe = subprocess.run([BINARY, "trace", "--backend", "ebpf", "-o", "/dev/null", "--", "true"],
                               capture_output=True, timeout=PATIENCE)
        if probe.returncode != 0:
            self.skipTest("no eBPF here")
        requests = self.exported("trace", "--", BINARY, "run", "echo", "--conns", "2", "--ops", "700", "-q",
                                 "--backend", "none")
        self.assertGreater(len(requests), 1)  # several lines: nothing has to be kept
        spans = [span for request in requests for resource in request["resourceSpans"]
                 for scope in resource["scopeSpans"] for span in scope["spans"]]
        self.assertGreater(len(spans), 700)
        self.assertEqual(len({span["spanId"] for span in spans}), len(spans))
        for span in spans:
            start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
            ready, = span["events"]
            self.assertLessEqual(start, int(ready["timeUnixNano"]))
            self.assertLessEqual(int(ready["timeUnixNano"]), end)
            self.assertLess(abs(end - time.time_ns()), 600 * 10**9)
        losses = [a for request in requests for r in request["resourceSpans"] for s in r["scopeSpans"]
                  for a in s["scope"].get("attributes", [])]
        self.assertEqual(losses, [{"key": "netpoll.events.lost", "value": {"intValue": "0"}},
                                  {"key": "netpoll.trace.complete", "value": {"boolValue": True}}])

    def test_a_document_without_figures_is_refused(self):
        done = subprocess.run([BINARY, "doctor", "-f", "otlp"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 3)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
