#!/usr/bin/env python3
"""Rules, dashboard, unit and manifest are what their readers take: monitoring_test.py BINARY PACKAGING

promtool checks and tests the rules and reads every expression of the dashboard; each series that they name is on a page
of serve; systemd reads the unit; and serve takes the flags that unit and manifest give it.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

try:
    import yaml
except ImportError:
    yaml = None

BINARY, PACKAGING = sys.argv[1], Path(sys.argv[2])
MONITORING = PACKAGING / "monitoring"
HERE = Path(__file__).parent
PATIENCE = 60
needs_promtool = unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
needs_yaml = unittest.skipUnless(yaml, "python3-yaml is not installed")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)


def dashboard_expressions():
    """Each with Grafana's variables filled in."""
    board = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"]
            for name, value in (("$__rate_interval", "1m"), ("$__range", "1h"), ("$job", ".*"), ("$instance", ".*")):
                text = text.replace(name, value)
            yield panel["title"], text


class Monitoring(unittest.TestCase):
    @needs_promtool
    def test_the_rules_fire_when_they_should(self):
        with tempfile.TemporaryDirectory() as folder:
            for file in (MONITORING / "alerts.yml", HERE / "alerts_test.yml"):
                shutil.copy(file, folder)
            for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
                done = run("promtool", *command, cwd=folder)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @needs_yaml
    def test_every_rule_is_tested(self):
        rules = yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))
        tests = yaml.safe_load((HERE / "alerts_test.yml").read_text(encoding="utf-8"))
        fires = {case["alertname"] for test in tests["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
        self.assertEqual({rule["alert"] for group in rules["groups"] for rule in group["rules"]}, fires)

    @needs_promtool
    def test_prometheus_reads_every_expression_of_the_dashboard(self):
        rules = [{"record": f"panel:{i}", "expr": text} for i, (_, text) in enumerate(dashboard_expressions())]
        self.assertGreater(len(rules), 20)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rules.yml"
            file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
            done = run("promtool", "check", "rules", str(file))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_dashboard_has_no_overlaps_and_no_id_twice(self):
        board = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))
        self.assertEqual(len({panel["id"] for panel in board["panels"]}), len(board["panels"]))
        taken = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells

    def test_each_series_that_is_named_is_shown_by_serve(self):
        named = " ".join([text for _, text in dashboard_expressions()] +
                         [(MONITORING / "alerts.yml").read_text(encoding="utf-8")])
        wanted = set(re.findall(r"\b(netpoll_[a-z_]+|process_[a-z_]+)\b(?=[\[{ )])", named))
        self.assertGreater(len(wanted), 15)
        echo = subprocess.Popen([BINARY, "run", "echo", "--serve", "127.0.0.1:0", "--backend", "none"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        serve = None
        try:
            pid = re.search(r"pid (\d+)", echo.stderr.readline()).group(1)
            serve = subprocess.Popen([BINARY, "serve", "--listen", "127.0.0.1:0", "-p", pid],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            said = ""
            while not (found := re.search(r"http://\S+/metrics", said)):
                line = serve.stderr.readline()
                self.assertTrue(line, said)
                said += line
            page = urllib.request.urlopen(found.group(), timeout=PATIENCE).read().decode()
            if 'netpoll_source_up{source="waits"} 1' not in page or 'source="syscalls"} 1' not in page:
                self.skipTest("no eBPF here, so that not all series are there")
            shown = set(re.findall(r"^([a-z_]+)[{ ]", page, re.M))
            self.assertEqual(wanted - shown, set())
        finally:
            for process in (serve, echo):
                if process:
                    process.send_signal(signal.SIGKILL)
                    process.wait(timeout=PATIENCE)
                    process.stderr.close()


class Service(unittest.TestCase):
    UNIT = PACKAGING / "systemd" / "netpoll-trace-serve@.service"

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_systemd_reads_the_unit_and_finds_it_safe(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "netpoll-trace-serve@nginx.service"
            # It wants the program and the manual in place.
            text = self.UNIT.read_text(encoding="utf-8").replace("/usr/bin/netpoll-trace", str(Path(BINARY).resolve()))
            file.write_text(re.sub("^Documentation=.*\n", "", text, flags=re.M), encoding="utf-8")
            done = run("systemd-analyze", "verify", str(file))
            self.assertEqual(done.stdout + done.stderr, "")
            rated = run("systemd-analyze", "security", "--offline=yes", str(file))
            score = re.search(r"Overall exposure level for \S+: ([\d.]+)", rated.stdout)
            self.assertTrue(score, rated.stdout + rated.stderr)
            self.assertLessEqual(float(score.group(1)), 2.5)

    def starts_with(self, arguments):
        arguments = ["127.0.0.1:0" if re.search(r":\d+$", word) else word for word in arguments]
        done = run(BINARY, *arguments, "-d", "50ms", "--backend", "none")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_serve_takes_the_flags_of_the_unit(self):
        line = re.search(r"^ExecStart=/usr/bin/netpoll-trace (.*)$", self.UNIT.read_text(encoding="utf-8"), re.M)
        words = line.group(1).replace("%i", "nobody-is-called-so").replace("$SERVE_FLAGS", "--listen 127.0.0.1:9761")
        self.starts_with(words.split())

    @needs_yaml
    def test_serve_takes_the_flags_of_the_manifest(self):
        manifest = yaml.safe_load((PACKAGING / "kubernetes" / "daemonset.yaml").read_text(encoding="utf-8"))
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        self.starts_with(container["args"])
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        self.assertEqual(mounts, {volume["name"] for volume in manifest["spec"]["template"]["spec"]["volumes"]})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
