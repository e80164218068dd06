#!/usr/bin/env python3
"""stat where something is in the way, or leaves in the middle: stat_limits_test.py BINARY KNOWN_CALLS"""

import json
import os
import resource
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from checks import run_test_cases  # noqa: E402
from programs import PATIENCE, Prey, until  # noqa: E402

BINARY = sys.argv[1]
KNOWN_CALLS = os.path.abspath(sys.argv[2])


def stat(*arguments, ok=0):
    done = subprocess.run([BINARY, "stat", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    if ok is not None and done.returncode != ok:
        raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done


def works(backend):
    return stat("-q", "-o", "/dev/null", "--backend", backend, "--", "/bin/true", ok=None).returncode == 0


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Waiting(Prey):
    """A process that waits, writes once for each byte that it is sent, and ends with its standard input. Then its
    threads, one after the other, return from a read and write twice."""

    UNREADY = unittest.SkipTest  # so many threads cannot be made everywhere
    SOURCE = """
import os, sys, threading
threading.stack_size(65536)
r, w = os.pipe()
null = os.open("/dev/null", os.O_WRONLY)
def wait():
    os.read(r, 1)
    os.write(null, b"x")
    os.write(w, b"x")
threads = [threading.Thread(target=wait) for _ in range(int(sys.argv[1]))]
for t in threads: t.start()
print("ready", flush=True)
while os.read(0, 1):
    os.write(null, b"y")
os.write(w, b"x")
for t in threads: t.join()
"""

    def __init__(self, threads=0):
        super().__init__(self.SOURCE, threads)

    def poke(self, times):
        self.process.stdin.write("x" * times)
        self.process.stdin.flush()


class Attached:
    """stat of a running process, known to be attached."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([BINARY, "stat", "-v", *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.said = ""
        while "the probes are attached" not in self.said:
            if not select.select([self.process.stderr], [], [], PATIENCE)[0]:
                raise AssertionError(self.said)
            line = self.process.stderr.readline()
            if not line:
                raise AssertionError(self.said)
            self.said += line

    def finish(self, interrupts=1):
        for _ in range(interrupts):
            self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE)
        return out, self.said + err, self.process.returncode


@unittest.skipUnless(works("ptrace"), "no ptrace here")
class KillOnExit(unittest.TestCase):
    FLAGS = ("--backend", "ptrace", "--kill-on-exit")

    def test_what_a_command_leaves_running_ends_with_us_and_is_mentioned(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pid")
            done = stat(*self.FLAGS, "--json", "-o", "-", "--", "/bin/sh", "-c",
                        f"sleep 1000 >/dev/null & echo $! >{path}; exit 3", ok=3)
            with open(path, encoding="ascii") as file:
                pid = int(file.read())
        until(lambda: not alive(pid), "the end of the sleeper")
        self.assertIn("ended with the measurement", json.loads(done.stdout)["probe"]["notes"][0])

    def test_a_command_ends_when_the_tool_is_killed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pid")
            tool = subprocess.Popen([BINARY, "stat", *self.FLAGS, "-q", "--", "/bin/sh", "-c",
                                     f"sleep 1000 & echo $$ $! >{path}; wait"], stderr=subprocess.DEVNULL)
            until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "the command")
            tool.kill()
            tool.wait()
            with open(path, encoding="ascii") as file:
                pids = file.read().split()
        until(lambda: not any(alive(pid) for pid in pids), "the end of the command and its child")

    def test_children_that_are_not_followed_work_and_are_not_counted(self):
        done = stat(*self.FLAGS, "--no-follow-forks", "--json", "-o", "/dev/stderr", "--", "/bin/sh", "-c",
                    "cat /etc/passwd; exit 0")
        with open("/etc/passwd", encoding="utf-8") as file:
            self.assertEqual(done.stdout, file.read())

    def test_children_that_nobody_is_to_trace_work_as_others_do(self):
        for flag, times in ("--follow-forks", 1), ("--no-follow-forks", 0):
            done = stat(*self.FLAGS, flag, "--json", "-o", "/dev/stderr", "--", KNOWN_CALLS, "untraced")
            said = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if line.startswith("call "))
            counts = json.loads(done.stderr)["syscalls"]
            self.assertEqual(counts["recvfrom"]["count"], times * int(said["call recvfrom"]))
            self.assertGreater(int(said["call recvfrom"]), 0)

    def test_one_that_ignores_its_end_is_killed(self):
        done = stat(*self.FLAGS, "-d", "100ms", "--json", "-o", "-", "--", "/bin/sh", "-c", "trap '' TERM; sleep 1000")
        self.assertEqual(json.loads(done.stdout)["exit"]["signal"], signal.SIGKILL)

    def test_it_is_for_commands(self):
        self.assertIn("--kill-on-exit", stat("--kill-on-exit", "-p", str(os.getpid()), ok=2).stderr)


class CountsOnly(unittest.TestCase):
    def test_counts_are_exact_and_times_unknown(self):
        command = ("--", sys.executable, "-c",
                   "import os\nfor _ in range(500): os.write(1, b'x')\nfor _ in range(7):\n"
                   "  try: os.read(-1, 1)\n  except OSError: pass\n")
        for backend in ("ebpf", "ptrace"):
            if not works(backend):
                print(f"skipped: {backend} does not work here")
                continue
            with self.subTest(backend=backend):
                calls = [json.loads(stat("--json", "-o", "/dev/stderr", "--backend", backend, *flags, *command).stderr)
                         ["syscalls"] for flags in ((), ("--counts-only",))]
                for name in ("write", "read"):
                    timed, counted = (of[name] for of in calls)
                    self.assertEqual((counted["count"], counted["errors"]), (timed["count"], timed["errors"]))
                    self.assertGreater(timed["total_ns"], 0)
                    self.assertEqual((counted["total_ns"], counted["latency_ns"], counted["latency_log2_ns"]),
                                     (None, None, None))
                self.assertGreaterEqual(calls[1]["write"]["count"], 500)
                self.assertGreaterEqual(calls[1]["read"]["errors"]["EBADF"], 7)
        stat("--counts-only", "--per-process", *command, ok=2)


class Inheritance(unittest.TestCase):
    """A command finds itself as it would without us."""

    # What a process has from the one that started it, but for its parent's number.
    STATE = """
import os, resource, signal, sys
limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
mask = os.umask(0)
files = {}
for number in sorted(int(name) for name in os.listdir("/proc/self/fd")):
    try:
        files[number] = os.readlink(f"/proc/self/fd/{number}"), open(f"/proc/self/fdinfo/{number}").read().split()[3]
    except OSError:
        pass  # of the list itself
wanted = ("SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
          "Groups", "Uid", "Gid")
status = [line.split() for line in open("/proc/self/status") if line.split(":")[0] in wanted]
state = [limits, mask, files, status, os.getcwd(), os.nice(0), sorted(os.environ.items()), sys.stdin.read(),
         sorted(os.sched_getaffinity(0)), open("/proc/self/oom_score_adj").read(),
         open("/proc/self/timerslack_ns").read(), os.getsid(0) == int(sys.argv[2]),
         open("/proc/self/coredump_filter").read()]
with open(sys.argv[1], "w") as out:
    out.write(repr(state).replace(", ", ",\\n"))
"""

    @staticmethod
    def prepare():
        os.umask(0o027)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(1)

    def state(self, folder, *prefix):
        path = os.path.join(folder, "state")
        # One descriptor beside the standard ones, and one of those closed.
        with open("/etc/passwd", "rb") as kept, open(os.path.join(folder, "in"), "rb") as given:
            subprocess.run([*prefix, sys.executable, "-c", self.STATE, path, str(os.getsid(0))], stdin=given,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=(kept.fileno(),), check=True,
                           timeout=PATIENCE, preexec_fn=self.prepare, cwd=folder,
                           env={"PATH": os.environ["PATH"], "LANG": "C", "ODD": "\udcff"})
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()

    def test_limits_signals_umask_descriptors_and_input_are_the_callers(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "in"), "w", encoding="ascii") as given:
                given.write("to the command")
            alone = [line for line in self.state(folder) if "pipe:[" not in line]
            for backend in ("ebpf", "perf", "ptrace", "none"):
                if not works(backend):
                    print(f"skipped: {backend} does not work here")
                    continue
                for command in ("stat", "trace"):
                    if command == "trace" and backend in ("perf", "none"):
                        continue
                    with self.subTest(command=command, backend=backend):
                        out = os.path.join(folder, "out")
                        ours = self.state(folder, BINARY, command, "--backend", backend, "-o", out, "--")
                        self.assertEqual([line for line in ours if "pipe:[" not in line], alone)


@unittest.skipUnless(works("ebpf"), "no eBPF here")
class Ebpf(unittest.TestCase):
    def test_ten_thousand_threads_that_wait_when_we_come(self):
        with Waiting(10_000) as prey:
            attached = Attached("--json", "-p", prey.pid)
            prey.process.stdin.close()
            # The end of the process ends the measurement.
            out, err = attached.process.communicate(timeout=PATIENCE)
        self.assertEqual(attached.process.returncode, 0, err)
        document = json.loads(out)
        self.assertEqual(document["probe"]["lost"], 0)
        # Their reads had begun before us; so had that of the first thread.
        self.assertEqual(document["syscalls"]["read"]["returned"], 0)
        # And what the interpreter writes to its pipe.
        self.assertIn(document["syscalls"]["write"]["returned"], range(20_001, 20_011))

    def test_two_copies_of_the_tool_count_the_same(self):
        with Waiting() as prey:
            copies = [Attached("--json", "-p", prey.pid) for _ in range(2)]
            prey.poke(300)
            time.sleep(0.2)
            counted = []
            for copy in copies:
                out, _, status = copy.finish()
                self.assertEqual(status, 130)
                counted.append(json.loads(out)["syscalls"]["write"]["returned"])
        self.assertEqual(counted, [300, 300])

    def test_a_target_that_somebody_else_traces(self):
        if not shutil.which("strace"):
            self.skipTest("no strace")
        with Waiting() as prey:
            strace = subprocess.Popen(["strace", "-q", "-o", "/dev/null", "-p", prey.pid], stderr=subprocess.DEVNULL)
            try:
                def traced():
                    with open(f"/proc/{prey.pid}/status", encoding="utf-8") as file:
                        return f"TracerPid:\t{strace.pid}\n" in file.read()
                until(traced, "strace traces it")
                attached = Attached("--json", "-p", prey.pid)
                prey.poke(10)
                time.sleep(0.2)
                out, _, _ = attached.finish()
                self.assertEqual(json.loads(out)["syscalls"]["write"]["returned"], 10)
                refused = stat("--backend", "ptrace", "-p", prey.pid, ok=3)
                self.assertIn(str(strace.pid), refused.stderr)
            finally:
                strace.terminate()
                strace.wait()

    def test_a_process_in_a_pid_namespace_has_both_numbers(self):
        if not shutil.which("unshare"):
            self.skipTest("no unshare")
        program = "import sys\nprint('ready', flush=True)\nwhile sys.stdin.buffer.raw.read(1): sys.stdout.flush()\n"
        outer = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if outer.stdout.readline() != "ready\n":
                self.skipTest("no pid namespace can be made here")
            with open(f"/proc/{outer.pid}/task/{outer.pid}/children", encoding="ascii") as file:
                pid = file.read().split()[0]
            attached = Attached("--json", "--per-process", "-p", pid)
            outer.stdin.write("xxx")
            outer.stdin.flush()
            time.sleep(0.2)
            out, _, _ = attached.finish()
            document = json.loads(out)
            self.assertEqual((document["target"]["pid"], document["target"]["ns_pid"]), (int(pid), 1))
            row, = document["groups"]["rows"]
            self.assertEqual((row["pid"], row["ns_pid"]), (int(pid), 1))
            attached = Attached("-p", pid)
            out, _, _ = attached.finish()
            self.assertIn(f"(pid {pid} (1 inside))", out)
        finally:
            outer.stdin.close()
            outer.wait(timeout=PATIENCE)
            outer.stdout.close()

    def test_in_a_pid_namespace_our_own_numbers_are_told(self):
        if not shutil.which("unshare"):
            self.skipTest("no unshare")
        done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", BINARY, "stat", "--json", "-o", "-",
                               "--per-thread", "--", "/bin/sh", "-c", "cat /dev/null; :"], capture_output=True, text=True,
                              timeout=PATIENCE)
        if "unshare failed" in done.stderr:
            self.skipTest("no pid namespace can be made here")
        document = json.loads(done.stdout)
        rows = document["groups"]["rows"]
        self.assertEqual(len(rows), 2)
        self.assertIn(document["target"]["pid"], [row["ns_pid"] for row in rows])
        self.assertTrue(all(0 < row["ns_pid"] < 100 for row in rows), rows)

    def test_a_probe_that_the_kernel_refuses_is_named_and_may_be_left_out(self):
        # A breakpoint that is in the file is one that uprobes refuse.
        notes = subprocess.run(["readelf", "-n", "-W", BINARY], capture_output=True, text=True).stdout
        site = re.search(r"Name: deadline_fire\s+Location: 0x([0-9a-f]+)", notes)
        headers = subprocess.run(["readelf", "-l", "-W", BINARY], capture_output=True, text=True).stdout
        loads = [[int(x, 16) for x in m.groups()] for m in
                 re.finditer(r"LOAD\s+0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", headers)]
        if not site or not loads:
            self.skipTest("no USDT probes in the tool itself")
        address = int(site.group(1), 16)
        offset = next(file + address - start for file, start, size in loads if start <= address < start + size)
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "program")
            shutil.copy(BINARY, copy)
            with open(copy, "r+b") as file:
                file.seek(offset)
                file.write(b"\xcc")
            run = subprocess.Popen([copy, "run", "churn", "--duration", "5m", "--backend", "none", "-o", "/dev/null"],
                                   stderr=subprocess.PIPE, text=True)
            try:
                said = run.stderr.readline()
                pid = re.search(r"server: pid (\d+)", said).group(1)
                flags = ["--json", "--backend", "ebpf", "-d", "300ms", "-p", pid]
                refused = stat(*flags, ok=3)
                self.assertIn("tracepoint deadline_fire", refused.stderr)
                self.assertIn("--best-effort", refused.stderr)
                done = stat(*flags, "--best-effort")
            finally:
                run.send_signal(signal.SIGINT)
                run.communicate(timeout=PATIENCE)
        document = json.loads(done.stdout)
        self.assertIsNone(document["tracepoints"]["deadline_fire"])
        self.assertGreater(document["tracepoints"]["park"]["count"], 0)
        self.assertIn("deadline_fire", document["probe"]["notes"][0])

    def test_a_pod_is_found_by_its_name_and_its_processes_are_counted(self):
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
        if not mounts or os.path.exists("/var/log/pods") or not os.access("/var/log", os.W_OK):
            self.skipTest("no cgroup v2, a real kubelet, or /var/log may not be written")
        uid = f"1234abcd-0000-4000-8000-{os.getpid():012d}"
        slices = [f"kubepods-besteffort-pod{uid.replace('-', '_')}.slice", f"cri-containerd-{'ab' * 32}.scope"]
        pod = os.path.join(mounts[0], *slices[:1])
        container = os.path.join(mounts[0], *slices)
        logs = f"/var/log/pods/shop_web-0_{uid}"
        try:
            os.makedirs(container)
        except OSError as error:
            self.skipTest(f"no cgroup may be made here: {error}")
        try:
            os.makedirs(logs)
            tool = Attached("--json", "--by-cgroup", "--pod", "shop/web-0")
            inside = f"echo $$ > {container}/cgroup.procs; for i in 1 2 3; do cat /etc/passwd; done"
            subprocess.run(["/bin/sh", "-c", inside], check=True, stdout=subprocess.DEVNULL)
            out, _, _ = tool.finish()
            self.assertEqual(stat("--pod", "shop/web-1", "-d", "10ms", ok=3).returncode, 3)
        finally:
            shutil.rmtree("/var/log/pods")

            def left():
                try:
                    os.rmdir(container)
                    return True
                except OSError:
                    return False
            until(left, "an empty cgroup")
            os.rmdir(pod)
        document = json.loads(out)
        self.assertGreaterEqual(document["syscalls"]["read"]["returned"], 6)
        self.assertEqual(len(document["groups"]["rows"]), 1)
        self.assertIn(uid.replace("-", "_"), document["groups"]["rows"][0]["cgroup"])


class Ends(unittest.TestCase):
    @unittest.skipUnless(works("auto"), "no back end works here")
    def test_ctrl_c_twice_prints_one_result(self):
        with Waiting() as prey:
            out, _, status = Attached("--json", "-p", prey.pid).finish(interrupts=2)
        self.assertEqual(status, 130)
        self.assertIn("syscalls", json.loads(out))

    @unittest.skipUnless(works("auto"), "no back end works here")
    def test_a_reader_of_intervals_that_leaves_ends_the_measurement(self):
        for format in ("table", "ndjson"):
            with self.subTest(format=format), Waiting() as prey:
                attached = Attached("-i", "20ms", "-f", format, "-p", prey.pid)
                attached.process.stdout.close()
                self.assertEqual(attached.process.wait(timeout=PATIENCE), 3)
                attached.process.stderr.close()
                self.assertIsNone(prey.process.poll())

    @unittest.skipUnless(works("auto"), "no back end works here")
    def test_a_command_does_not_notice_that_nobody_reads_its_intervals(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "done")
            done = subprocess.run([BINARY, "stat", "-i", "20ms", "-o", f"/dev/fd/{write_end}", "--", "/bin/sh", "-c",
                                   f"sleep 0.2; echo done > {path}"], pass_fds=(write_end,), capture_output=True,
                                  timeout=PATIENCE)
            os.close(write_end)
            self.assertEqual(done.returncode, 3)
            self.assertTrue(os.path.exists(path))


if __name__ == "__main__":
    sys.exit(run_test_cases())
