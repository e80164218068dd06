#!/usr/bin/env python3
"""serve and its two texts, against programs that we did not write: serve_test.py BINARY GO_BUILDS

promtool and the official Python client read every page, a real Prometheus scrapes it; clients that are silent, slow or a
thousand stall nobody; targets die, come back and are stopped.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from programs import PATIENCE, until  # noqa: E402

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
    from prometheus_client.parser import text_string_to_metric_families as old_metrics
except ImportError:
    open_metrics = old_metrics = None

BINARY, GO_BUILDS = sys.argv[1], Path(sys.argv[2])
OPEN = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def first_match(stream, pattern):
    lines = ""
    while True:
        line = stream.readline()
        if not line:
            raise AssertionError(f"ended early: {lines}")
        lines += line
        if found := re.search(pattern, line):
            return found


class Child:
    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.end(signal.SIGKILL)

    def end(self, how):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(timeout=PATIENCE)
        for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
            if stream:
                stream.close()
        return self.process.returncode


class Echo(Child):
    """A libruntime program: the server of the workload echo, in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen([BINARY, "run", "echo", "--serve", "127.0.0.1:0", "--backend", "none"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        found = first_match(self.process.stderr, r"pid (\d+).*127\.0\.0\.1:(\d+)")
        self.pid, self.port = int(found.group(1)), int(found.group(2))

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


class Named(Child):
    """An echo server of Python under a name of its own (comm)."""

    SOURCE = """
import socket
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1], flush=True)
while True:
    c, _ = l.accept()
    while data := c.recv(100): c.send(data)
"""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary, "-S", "-c", self.SOURCE], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


class Serve(Child):
    def __init__(self, *arguments, before=(BINARY,)):
        self.process = subprocess.Popen([*before, "serve", "--listen", "127.0.0.1:0", *arguments],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.port = int(first_match(self.process.stderr, r"http://127\.0\.0\.1:(\d+)/metrics").group(1))
        self.url = f"http://127.0.0.1:{self.port}/metrics"

    def page(self, accept="text/plain"):
        request = urllib.request.Request(self.url, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.read().decode(), answer.headers["Content-Type"]

    def values(self):
        """Sample text -> value, of a page no older than the pages' freshness."""
        found = {}
        for line in self.page()[0].splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def value(self, name):
        return self.values().get(name)


def programs():
    """Ids of our BPF programs."""
    bpftool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    shown = subprocess.run([bpftool, "-j", "prog", "show"], capture_output=True, text=True)
    return {row["id"] for row in json.loads(shown.stdout) if row.get("name", "").startswith("netpoll")}


def ebpf_works():
    done = subprocess.run([BINARY, "stat", "--backend", "ebpf", "-o", "/dev/null", "--", "true"], capture_output=True,
                          timeout=PATIENCE)
    return done.returncode == 0


EBPF = ebpf_works()
needs_ebpf = unittest.skipUnless(EBPF, "no eBPF here")


def talk(port, text):
    """What the server says until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(text)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    return answer


class Pages(unittest.TestCase):
    def read_by_others(self, old, new):
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=old, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        else:
            print("SKIPPED: promtool is not installed")
        if open_metrics is None:
            self.skipTest("python3-prometheus-client is not installed")
        families = {family.name: family for family in open_metrics(new)}
        self.assertEqual({sample.name for family in old_metrics(old) for sample in family.samples},
                         {sample.name for family in families.values() for sample in family.samples})
        return families

    def exported(self, *command):
        pages = []
        for name in ("prometheus", "openmetrics"):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "page")
                split = command.index("--") if "--" in command else len(command)
                done = subprocess.run([BINARY, *command[:split], "-f", name, "-o", path, *command[split:]],
                                      capture_output=True, text=True, timeout=PATIENCE)
                self.assertEqual(done.returncode, 0, done.stderr)
                pages.append(Path(path).read_text(encoding="utf-8"))
        return self.read_by_others(*pages)

    def test_results_snapshots_and_traces_are_pages_too(self):
        families = self.exported("run", "echo", "--conns", "2", "--ops", "500")
        self.assertEqual(families["netpoll_operations"].samples[0].value, 500)
        with Echo() as echo, echo.connect():
            families = self.exported("snapshot", "-p", str(echo.pid))
            self.assertGreaterEqual(sum(s.value for s in families["netpoll_io_waits"].samples), 1)

    @needs_ebpf
    def test_a_trace_is_a_page_with_exemplars(self):
        families = self.exported("trace", "--", BINARY, "run", "echo", "--conns", "2", "--ops", "500", "-q",
                                 "--backend", "none")
        self.assertEqual([s.value for s in families["netpoll_trace_complete"].samples], [1])
        waits = families["netpoll_network_wait_seconds"]
        self.assertEqual({s.labels["mode"] for s in waits.samples}, {"read", "write"})
        exemplars = [s.exemplar for s in waits.samples if s.exemplar]
        self.assertTrue(exemplars)
        self.assertTrue(all(e.labels.keys() <= {"goid", "fd", "pid"} for e in exemplars))

    def test_a_document_without_figures_is_refused(self):
        done = subprocess.run([BINARY, "doctor", "-f", "prometheus"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 3)
        self.assertIn("no metrics", done.stderr)

    @needs_ebpf
    def test_counters_count_what_happened(self):
        with Echo() as echo, Serve("-p", str(echo.pid)) as serve, echo.connect() as client:
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            time.sleep(0.3)  # the page before is no longer fresh
            before = serve.values()
            for _ in range(50):
                client.sendall(b"hello")
                self.assertEqual(client.recv(5, socket.MSG_WAITALL), b"hello")
            sent = 'netpoll_syscall_bytes_total{syscall="sendto"}'
            self.assertIn(sent, before)
            until(lambda: serve.value(sent) == before[sent] + 250, "the bytes that were sent")
            waits = 'netpoll_network_wait_seconds_count{mode="read"}'
            after = until(lambda: (v := serve.values())[waits] >= before[waits] + 50 and v, "each wait for the network")
            self.assertEqual(after['netpoll_network_wait_seconds_count{mode="write"}'], 0)
            self.assertEqual(after['netpoll_syscalls_total{syscall="sendto"}'] -
                             before['netpoll_syscalls_total{syscall="sendto"}'], 50)
            self.assertEqual(after['netpoll_cpu_wait_seconds_count{mode="read"}'],
                             after['netpoll_cpu_wait_seconds_bucket{mode="read",le="+Inf"}'])
            self.assertEqual(after['netpoll_io_waits{mode="read"}'], 2)  # the listener and the connection
            self.assertEqual(after['netpoll_source_up{source="waits"}'], 1)
            self.assertGreater(after["process_resident_memory_bytes"], 1 << 20)
            self.assertEqual(after['netpoll_events_lost_total{where="kernel"}'], 0)
            old, kind = serve.page()
            self.assertTrue(kind.startswith("text/plain; version=0.0.4"))
            new, kind = serve.page(OPEN)
            self.assertTrue(kind.startswith("application/openmetrics-text; version=1.0.0"))
            self.assertTrue(new.endswith("# EOF\n"))
            self.read_by_others(old, new)

    def test_without_probes_goroutines_are_seen_and_the_rest_is_said_to_be_absent(self):
        with Echo() as echo, Serve("-p", str(echo.pid), "--backend", "none") as serve, echo.connect():
            values = until(lambda: (v := serve.values()).get('netpoll_io_waits{mode="read"}') == 2 and v, "the reader")
            self.assertEqual(values['netpoll_source_up{source="syscalls"}'], 0)
            self.assertEqual(values['netpoll_source_up{source="goroutines"}'], 1)
            self.assertFalse([name for name in values if "syscalls_total" in name])
            self.assertGreaterEqual(values["netpoll_io_waits_without_deadline"], 1)
            self.read_by_others(serve.page()[0], serve.page(OPEN)[0])

    def test_a_reader_whose_data_is_there_is_seen_even_when_the_program_is_stopped(self):
        with Echo() as echo, Serve("-p", str(echo.pid), "--backend", "none") as serve, echo.connect() as client:
            until(lambda: serve.value('netpoll_io_waits{mode="read"}') == 2, "the reader waits")
            self.assertEqual(serve.value("netpoll_io_readers_with_queued_data"), 0)
            os.kill(echo.pid, signal.SIGSTOP)
            stat = Path(f"/proc/{echo.pid}/task")
            until(lambda: all((task / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "T"
                              for task in stat.iterdir()), "every thread has stopped")
            client.sendall(b"hello")
            until(lambda: serve.value("netpoll_io_readers_with_queued_data") == 1, "the queued data")
            os.kill(echo.pid, signal.SIGCONT)
            until(lambda: serve.value("netpoll_io_readers_with_queued_data") == 0, "it was read")

    def test_an_unmodified_go_program(self):
        program = GO_BUILDS / "system-plain"
        if not program.exists():
            self.skipTest("no Go program was built here")
        target = Child()
        target.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with target:
            truth = json.loads(target.process.stdout.readline())
            first_match(target.process.stdout, "^ready")
            shown = subprocess.run([BINARY, "snapshot", "--json", "-p", str(target.process.pid)], capture_output=True,
                                   text=True, timeout=PATIENCE)
            waiting = [g for g in json.loads(shown.stdout)["goroutines"] if g["wait_reason"] == "IO wait"]
            self.assertGreater(len(waiting), 3, truth)
            with Serve("-p", str(target.process.pid), "--backend", "none") as serve:
                values = serve.values()
                self.assertEqual(values['netpoll_goroutines_waiting{reason="IO wait"}'], len(waiting))
                self.assertEqual(values["netpoll_io_waits_without_deadline"],
                                 len([g for g in waiting if g["deadline"] is None]))


class Life(unittest.TestCase):
    def test_a_target_that_dies_is_down_and_another_stays_up(self):
        with Echo() as one, Echo() as other, Serve("-p", str(one.pid), "-p", str(other.pid)) as serve:
            up = 'netpoll_up{target="%d"}'
            self.assertEqual(serve.value(up % one.pid), 1)
            one.end(signal.SIGKILL)
            until(lambda: serve.value(up % one.pid) == 0, "it is down")
            self.assertEqual(serve.value(up % other.pid), 1)
            other.end(signal.SIGKILL)
            until(lambda: serve.value(up % other.pid) == 0, "both are down")
            self.assertEqual(serve.value("netpoll_processes"), 0)
            self.assertIsNone(serve.process.poll())

    def test_a_target_dies_while_pages_are_made(self):
        for _ in range(3):
            with Echo() as echo, Serve("-p", str(echo.pid)) as serve:
                deadline = time.monotonic() + 1
                while time.monotonic() < deadline:
                    serve.values()
                    if time.monotonic() > deadline - 0.5:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(echo.pid, signal.SIGKILL)
                until(lambda: serve.value('netpoll_up{target="%d"}' % echo.pid) == 0, "it is down")

    def test_one_that_comes_back_under_its_name_is_observed_again_and_counters_go_on(self):
        with tempfile.TemporaryDirectory() as folder:
            name = f"np-{os.getpid()}"  # a comm of its own
            binary = os.path.join(folder, name)
            os.symlink(os.path.realpath(sys.executable), binary)
            with Serve("--comm", name) as serve:
                up = 'netpoll_up{target="%s"}' % name
                self.assertEqual(serve.value(up), 0)
                sent = 'netpoll_syscalls_total{syscall="sendto"}'
                counted = 0
                for _ in range(2):
                    with Named(binary) as echo:
                        until(lambda: serve.value(up) == 1 and serve.value("netpoll_processes") == 1, "it is up")
                        with echo.connect() as client:
                            client.sendall(b"x")
                            self.assertEqual(client.recv(1), b"x")
                        counted += 1
                        if EBPF:
                            until(lambda: serve.value(sent) == counted, "its call is added")
                    until(lambda: serve.value(up) == 0, "it is down")
                if EBPF:
                    self.assertEqual(serve.value(sent), 2)

    @unittest.skipUnless(EBPF and os.geteuid() == 0, "needs root and eBPF")
    def test_a_cgroup(self):
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        roots = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
        if not roots:
            self.skipTest("no cgroups of version 2 here")
        group = Path(roots[0]) / f"netpoll-serve-{os.getpid()}"
        try:
            group.mkdir()
        except OSError as failure:
            self.skipTest(f"no cgroup can be made here: {failure}")
        try:
            with Serve("--cgroup", str(group)) as serve:
                up = 'netpoll_up{target="/%s"}' % group.name
                self.assertEqual(serve.value(up), 0)
                with Echo() as echo:
                    (group / "cgroup.procs").write_text(str(echo.pid), encoding="utf-8")
                    until(lambda: serve.value(up) == 1, "it is up")
                    with echo.connect() as client:
                        client.sendall(b"x")
                        self.assertEqual(client.recv(1), b"x")
                    until(lambda: serve.value('netpoll_syscalls_total{syscall="sendto"}') == 1, "its call is counted")
                    self.assertGreaterEqual(serve.value('netpoll_io_waits{mode="read"}'), 1)
        finally:
            until(lambda: not (group / "cgroup.procs").read_text(encoding="utf-8"), "the cgroup is empty")
            group.rmdir()

    @unittest.skipUnless(EBPF and os.geteuid() == 0 and shutil.which("setpriv"), "needs root, eBPF and setpriv")
    def test_two_capabilities_are_enough_to_count_and_to_time_as_the_unit_has_it(self):
        with tempfile.TemporaryDirectory() as folder, Named(sys.executable) as target:
            os.chmod(folder, 0o755)
            binary = shutil.copy(BINARY, folder)
            os.chmod(binary, 0o755)
            nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+bpf,+perfmon",
                      "--ambient-caps=+bpf,+perfmon", "--bounding-set=-all,+bpf,+perfmon", "--no-new-privs", binary)
            with Serve("-p", str(target.process.pid), before=nobody) as serve:
                with target.connect() as client:
                    client.sendall(b"x")
                    self.assertEqual(client.recv(1), b"x")
                until(lambda: serve.value('netpoll_syscalls_total{syscall="sendto"}') == 1, "its call is counted")
                self.assertEqual(serve.value('netpoll_source_up{source="waits"}'), 1)

    def test_processes_that_end_while_it_attaches_do_not_keep_it_from_the_others(self):
        if not EBPF:
            self.skipTest("no eBPF here")
        with tempfile.TemporaryDirectory() as folder:
            binary = os.path.join(folder, f"np-{os.getpid()}")
            os.symlink(shutil.which("sleep"), binary)
            # Under one name: one that stays, and others that come and go.
            stays = Child()
            stays.process = subprocess.Popen([binary, "1000"])
            flock = subprocess.Popen(["sh", "-c", f"while :; do {binary} 0.03; done"])
            try:
                with stays:
                    for _ in range(5):
                        with Serve("--comm", os.path.basename(binary)) as serve:
                            until(lambda: serve.value('netpoll_source_up{source="syscalls"}') == 1, "it counts")
            finally:
                flock.kill()
                flock.wait(timeout=PATIENCE)

    @needs_ebpf
    def test_sigterm_ends_it_and_nothing_stays_in_the_kernel(self):
        before = programs()
        with Echo() as echo, Serve("-p", str(echo.pid)) as serve:
            serve.values()
            self.assertEqual(serve.end(signal.SIGTERM), 143)
        until(lambda: programs() <= before, "our programs left the kernel")

    def test_other_machines_need_the_flag_and_other_hosts_get_no_answer(self):
        with Echo() as echo:
            for wrong in ("0.0.0.0:0", "[::]:0", "nonsense", "unix:@name"):
                done = subprocess.run([BINARY, "serve", "-p", str(echo.pid), "--listen", wrong], capture_output=True,
                                      text=True, timeout=PATIENCE)
                self.assertEqual(done.returncode, 2, done.stderr)
            done = subprocess.run([BINARY, "serve", "-p", str(echo.pid), "--backend", "none", "--listen", "0.0.0.0:0",
                                   "--allow-remote", "-d", "100ms"], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(done.returncode, 0, done.stderr)
            with Serve("-p", str(echo.pid), "--backend", "none") as serve:
                request = "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n"
                self.assertIn(b" 200 ", talk(serve.port, (request % "localhost").encode()))
                self.assertIn(b" 403 ", talk(serve.port, (request % "evil.example").encode()))
                self.assertIn(b" 404 ", talk(serve.port, b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"))
                self.assertIn(b" 431 ", talk(serve.port, b"GET / HTTP/1.1\r\nX: " + b"a" * 20000))
                for nonsense in (b"\r\n\r\n", b"\0\0\n\n", b"GET\r\n\r\n",
                                 b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"):
                    self.assertNotIn(b" 200 ", talk(serve.port, nonsense))
                self.assertEqual(serve.value('netpoll_up{target="%d"}' % echo.pid), 1)


class Clients(unittest.TestCase):
    def test_silent_and_slow_clients_stall_nobody(self):
        with Echo() as echo, Serve("-p", str(echo.pid), "--backend", "none") as serve:
            request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
            idle = [socket.create_connection(("127.0.0.1", serve.port), timeout=PATIENCE) for _ in range(100)]
            for i, client in enumerate(idle):
                # Some say nothing, some say half of it, some ask and do not read.
                client.sendall(request[:i % len(request)] if i % 3 else request)
            for _ in range(5):
                self.assertEqual(serve.value('netpoll_up{target="%d"}' % echo.pid), 1)
            for client in idle:
                client.close()

    def test_a_client_that_closes_its_half_gets_the_whole_page(self):
        with Echo() as echo, Serve("-p", str(echo.pid)) as serve:
            with socket.create_connection(("127.0.0.1", serve.port), timeout=PATIENCE) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n\r\n")
                client.shutdown(socket.SHUT_WR)
                answer = b""
                while piece := client.recv(1000):
                    answer += piece
            self.assertTrue(answer.endswith(b"# EOF\n"))

    def test_a_thousand_at_once_are_all_answered(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2048:
            self.skipTest(f"a limit of {hard} descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
        with Echo() as echo, Serve("-p", str(echo.pid)) as serve:
            clients = [socket.create_connection(("127.0.0.1", serve.port), timeout=PATIENCE) for _ in range(1000)]
            for client in clients:
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            whole = 0
            for client in clients:
                answer = b""
                while piece := client.recv(1 << 20):
                    answer += piece
                client.close()
                head, _, body = answer.partition(b"\r\n\r\n")
                size = int(re.search(rb"Content-Length: (\d+)", head).group(1))
                whole += head.startswith(b"HTTP/1.1 200") and size == len(body)
            self.assertEqual(whole, 1000)


@unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")
class RealPrometheus(unittest.TestCase):
    def ask(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def test_it_scrapes_the_page_and_computes_with_it(self):
        with tempfile.TemporaryDirectory() as folder, Echo() as echo, Serve("-p", str(echo.pid)) as serve:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            config = Path(folder) / "prometheus.yml"
            config.write_text("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: netpoll\n"
                              f"  static_configs: [{{targets: ['127.0.0.1:{serve.port}']}}]\n", encoding="utf-8")
            server = Child()
            server.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--enable-feature=exemplar-storage"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with server, echo.connect() as client:
                def reachable():
                    try:
                        return self.ask("/api/v1/targets")["activeTargets"]
                    except OSError:
                        return None
                until(reachable, "Prometheus answers")

                def asked(query):
                    client.sendall(b"x")
                    client.recv(1)
                    return self.ask("/api/v1/query?query=" + query)["result"]

                target = until(lambda: [t for t in self.ask("/api/v1/targets")["activeTargets"] if t["health"] == "up"],
                               "a scrape that worked")[0]
                self.assertEqual(target["lastError"], "")
                until(lambda: [r for r in asked("netpoll_up") if r["value"][1] == "1"], "the gauge")
                if EBPF:
                    until(lambda: [r for r in asked("histogram_quantile(0.5,rate(netpoll_network_wait_seconds_bucket[30s]))")
                                   if r["value"][1] != "NaN" and float(r["value"][1]) > 0], "a quantile")
                    now = time.time()
                    until(lambda: self.ask("/api/v1/query_exemplars?query=netpoll_cpu_wait_seconds_bucket"
                                           f"&start={now - 600}&end={now + 600}"), "exemplars")


if __name__ == "__main__":
    if EBPF is False:
        print("SKIPPED in part: no eBPF here")
    unittest.main(argv=sys.argv[:1], verbosity=2)
