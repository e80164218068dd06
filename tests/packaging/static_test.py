#!/usr/bin/env python3
"""The tool without shared libraries, in a root with nothing else: static_test.py BINARY GO_BUILDS

The root has the program and /proc, and in one case /sys: what a container for debugging has.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BINARY, GO_BUILDS = Path(sys.argv[1]), Path(sys.argv[2])
PATIENCE = 120
ENTER = 'root=$1; mounts=$2; shift 2; for at in $mounts; do mount --rbind /$at "$root/$at" || exit 99; done; exec chroot "$root" "$@"'


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)


def can_mount():
    return os.geteuid() == 0 and run("unshare", "--mount", "true").returncode == 0


@unittest.skipUnless(can_mount(), "needs root, for a root of its own and mounts in it")
class EmptyRoot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = Path(cls.folder.name)
        for name in ("proc", "sys"):
            (cls.root / name).mkdir()
        subprocess.run(["strip", "-o", str(cls.root / "netpoll-trace"), str(BINARY)], check=True, timeout=PATIENCE)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def inside(self, *arguments, mounts="proc", ok=0):
        # The mounts are gone with the namespace that they are in.
        done = run("unshare", "--mount", "sh", "-c", ENTER, "sh", str(self.root), mounts, "/netpoll-trace", *arguments)
        if ok is not None:
            self.assertEqual(done.returncode, ok, done.stdout + done.stderr)
        return done

    def test_it_needs_no_library(self):
        headers = run("readelf", "-ldW", str(BINARY)).stdout
        self.assertNotIn("NEEDED", headers)
        self.assertNotIn("INTERP", headers)
        self.assertEqual(self.inside("--version", mounts="").stdout, run(str(BINARY), "--version").stdout)

    def test_doctor_says_what_the_root_lacks(self):
        features = {f["name"]: f for f in json.loads(self.inside("doctor", "--json", ok=None).stdout)["machine"]}
        self.assertTrue(features["ebpf_build"]["ok"])
        self.assertTrue(features["read_memory"]["ok"])
        self.assertEqual(features["kernel_btf"]["why_not"], "/sys is not mounted here")

    def count(self, backend, mounts):
        self.inside("stat", "--backend", backend, "--json", "-o", "/result", "--", "/netpoll-trace", "--version",
                    mounts=mounts)
        return json.loads((self.root / "result").read_text(encoding="utf-8"))

    def test_calls_of_a_static_command_are_counted_with_proc_alone(self):
        result = self.count("ptrace", "proc")
        self.assertEqual(result["syscalls"]["write"]["count"], 1)
        self.assertEqual(result["exit"]["code"], 0)

    def test_calls_are_counted_by_ebpf_where_the_kernel_describes_its_types(self):
        if run(str(BINARY), "stat", "--backend", "ebpf", "-o", "/dev/null", "--", "true").returncode != 0:
            self.skipTest("no eBPF here")
        result = self.count("ebpf", "proc sys")
        self.assertEqual(result["probe"]["backend"], "ebpf")
        self.assertEqual(result["syscalls"]["write"]["count"], 1)

    def test_goroutines_of_a_program_outside_are_read_with_their_stacks(self):
        program = GO_BUILDS / "system-plain"
        if not program.exists():
            self.skipTest("no Go program was built here")
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as target:
            try:
                for line in target.stdout:
                    if line.startswith("ready"):
                        break
                shown = [json.loads(done.stdout)["goroutines"] for done in (
                    run(str(BINARY), "snapshot", "--json", "-p", str(target.pid)),
                    self.inside("snapshot", "--json", "-p", str(target.pid)))]
            finally:
                target.kill()
        outside, inside = ({g["goid"]: [frame["function"] for frame in g["stack"]] for g in side} for side in shown)
        self.assertGreater(len(inside), 3)
        self.assertEqual(inside, outside)
        self.assertTrue(any(re.match("main[.]", name) for stack in inside.values() for name in stack))

    def test_a_program_of_libruntime_is_read_too(self):
        with subprocess.Popen([str(BINARY), "run", "echo", "--serve", "127.0.0.1:0", "--backend", "none"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as target:
            try:
                pid = re.search(r"pid (\d+)", target.stderr.readline()).group(1)
                shown = json.loads(self.inside("snapshot", "--json", "--all", "-p", pid).stdout)
                self.assertEqual(shown["target"]["kind"], "libruntime")
                self.assertTrue([g for g in shown["goroutines"] if g["wait_reason"] == "IO wait"])
            finally:
                target.kill()


if __name__ == "__main__":
    if not shutil.which("unshare") or not shutil.which("strip"):
        print("SKIPPED: needs unshare and strip")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
