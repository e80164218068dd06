#!/usr/bin/env python3
"""packaging/quickstart installs what is missing, says what it does, and what to do where it cannot.

dpkg, apt, id and sudo are scripted, so that a fresh machine can be played on any machine; the real thing is played by
`packaging/quickstart test` itself.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"

# A list of packages to play with, in the format of packaging/packages.
PLAY = """
# a comment
[build]
cmake                 # one
pkg-config | pkgconf  # two
[probes]
clang-14 | clang      # three
bpftool | linux-tools-generic  # four
libbpf-dev            # five
[bench]
golang-go             # six
spin                  # seven
"""


class Machine:
    """A machine with these packages installed and these on offer; `log` is what apt-get was asked for."""

    def __init__(self, installed=(), offered=(), root=True, sudo=False, update_fails=False, install_fails=False):
        self.folder = tempfile.TemporaryDirectory()
        self.log = Path(self.folder.name, "log")
        self.log.touch()
        Path(self.folder.name, "packaging").mkdir()
        shutil.copy(PACKAGING / "quickstart", Path(self.folder.name, "packaging"))
        Path(self.folder.name, "packaging/packages").write_text(PLAY, encoding="utf-8")
        self.stub("dpkg-query", f'case " {" ".join(installed)} " in *" $4 "*) echo "ii ";; *) exit 1;; esac',
                  "for last; do :; done; set -- 1 2 3 \"$last\"")
        self.stub("apt-cache", f'case " {" ".join(offered)} " in *" $2 "*) echo "  Candidate: 1.0";; '
                               '*) echo "  Candidate: (none)";; esac')
        self.stub("apt-get", f'echo "$*" >>{self.log}; case "$*" in *update*) exit {int(update_fails)};; '
                             f'*install*) exit {100 * int(install_fails)};; esac')
        self.stub("id", f"echo {0 if root else 1000}")
        self.stub("sudo", f'[ "$1" = -n ] && shift; {"exec" if sudo else "exit 1;"} "$@"')

    def stub(self, name, body, before=""):
        path = Path(self.folder.name, name)
        path.write_text(f"#!/bin/sh\n{before}\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def quickstart(self, *arguments):
        environment = {**os.environ, "PATH": f"{self.folder.name}:{os.environ['PATH']}"}
        return subprocess.run([f"{self.folder.name}/packaging/quickstart", *arguments], env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def build_tree(self, ctest):
        """Gives it a build that succeeds and this ctest, a shell script that has the report's path in $report."""
        tools = Path(self.folder.name, "tests/tools")
        tools.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("summary.py"), tools)
        for name in ("cmake", "clang++-14", "clang-tidy-14", "run-clang-tidy-14"):
            self.stub(name, "exit 0")
        self.stub("pip3", "exit 1")
        self.stub("ctest", ctest, 'for word; do [ "$last" = --output-junit ] && report=$word; last=$word; done')

    def asked(self):
        """What apt-get was asked for, without its options."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [" ".join(re.sub(r"(?:^|\s)-(?:o \S+|\S+)", "", line).split()) for line in lines]


class Packages(unittest.TestCase):
    def test_every_requirement_says_why(self):
        section = None
        for number, line in enumerate((PACKAGING / "packages").read_text(encoding="utf-8").splitlines(), 1):
            text, _, reason = line.partition("#")
            if text.startswith("["):
                section = text.strip()
                self.assertIn(section, ["[build]", "[probes]", "[test]", "[bench]", "[cross]", "[windows]", "[zig]"], number)
            elif text.strip():
                self.assertIsNotNone(section, number)
                self.assertRegex(text.strip(), r"^[a-z0-9.+-]+( \| [a-z0-9.+-]+)*$", number)
                self.assertTrue(reason.strip(), number)


class Quickstart(unittest.TestCase):
    def test_what_is_missing_is_listed_with_its_alternatives(self):
        machine = Machine(installed=["spin"])
        self.assertEqual(machine.quickstart("packages", "bench").stdout, "golang-go\n")
        self.assertEqual(machine.quickstart("packages", "build", "bench").stdout,
                         "cmake\npkg-config | pkgconf\ngolang-go\n")

    def test_one_alternative_is_enough(self):
        machine = Machine(installed=["pkgconf", "cmake"])
        self.assertEqual(machine.quickstart("packages", "build").stdout, "")

    def test_nothing_missing_asks_apt_for_nothing(self):
        machine = Machine(installed=["golang-go", "spin"])
        self.assertEqual(machine.quickstart("install", "bench").returncode, 0)
        self.assertEqual(machine.asked(), [])

    def test_root_installs_the_first_alternative_on_offer(self):
        machine = Machine(installed=["libbpf-dev"], offered=["clang", "linux-tools-generic"])
        self.assertEqual(machine.quickstart("install", "probes").returncode, 0)
        self.assertEqual(machine.asked(), ["update", "install clang linux-tools-generic"])

    def test_a_broken_source_does_not_stop_the_installation(self):
        machine = Machine(offered=["golang-go", "spin"], update_fails=True)
        done = machine.quickstart("install", "bench")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(machine.asked(), ["update", "install golang-go spin"])

    def test_an_installation_that_fails_is_named(self):
        machine = Machine(offered=["golang-go", "spin"], install_fails=True)
        done = machine.quickstart("install", "bench")
        self.assertEqual(done.returncode, 3)
        self.assertIn("could not install: golang-go spin", done.stderr)

    def test_a_user_with_sudo_installs_through_it(self):
        machine = Machine(offered=["golang-go", "spin"], installed=["golang-go"], root=False, sudo=True)
        self.assertEqual(machine.quickstart("install", "bench").returncode, 0)
        self.assertEqual(machine.asked(), ["update", "install spin"])

    def test_a_user_without_sudo_is_told_the_command(self):
        machine = Machine(installed=["spin"], root=False)
        done = machine.quickstart("install", "bench", "probes")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"hint: as root: apt-get update && apt-get install .* golang-go")
        self.assertEqual(machine.asked(), [])

    def test_what_failed_gets_a_second_try_but_under_sanitizers_and_clang(self):
        machine = Machine(installed=["cmake", "pkgconf", "clang", "bpftool", "libbpf-dev"])
        machine.build_tree("""
            status=fail; case "$*" in *--rerun-failed*) status=run;; esac
            echo "<testsuite><testcase name='race' status='$status'/></testsuite>" >"$report"
            [ $status = run ]""")
        done = machine.quickstart("test")
        self.assertEqual(done.returncode, 1)
        out = done.stdout
        self.assertIn("test: 1 passed, 0 failed, 0 skipped.\n  FLAKY: race", out)
        self.assertIn("tsan: 0 passed, 1 failed, 0 skipped.\n  failed: race", out)
        self.assertIn("asan-ubsan: 0 passed, 1 failed, 0 skipped.\n  failed: race", out)
        self.assertIn("tidy: 0 passed, 1 failed, 0 skipped.\n  failed: race", out)
        # The runtime for Windows, where Wine is installed, has a second try as well.
        self.assertRegex(out, r"\n[12] passed, 3 failed, 0 skipped\n$")

    def test_what_clang_tidy_finds_is_shown_and_fails(self):
        machine = Machine(installed=["cmake", "pkgconf", "clang", "bpftool", "libbpf-dev"])
        machine.build_tree("echo '<testsuite/>' >\"$report\"")
        Path(machine.folder.name, "build/tidy").mkdir(parents=True)
        machine.stub("run-clang-tidy-14", "echo noise; echo 'a.cc:1:2: error: unused [misc]'; exit 1")
        done = machine.quickstart("test")
        self.assertEqual(done.returncode, 1)
        self.assertIn("a.cc:1:2: error: unused", done.stdout)
        self.assertNotIn("noise", done.stdout)
        self.assertIn("clang-tidy found something", done.stderr)

    def test_without_zig_the_systems_that_need_it_are_skipped_visibly(self):
        machine = Machine(installed=["cmake", "pkgconf", "clang", "bpftool", "libbpf-dev"])
        machine.build_tree("echo '<testsuite><testcase name=\"a\" status=\"run\"/></testsuite>' >\"$report\"")
        done = machine.quickstart("test")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("SKIPPED: ziglang could not be installed by pip3", done.stderr)

    def test_a_program_of_another_kind_than_it_was_built_as_fails(self):
        machine = Machine(installed=["cmake", "pkgconf", "clang", "bpftool", "libbpf-dev"])
        machine.build_tree("echo '<testsuite><testcase name=\"a\" status=\"run\"/></testsuite>' >\"$report\"")
        for path in ("ziglang/ziglang/zig", "macos/cli/netpoll-trace", "freebsd/cli/netpoll-trace"):
            file = Path(machine.folder.name, "build", path)
            file.parent.mkdir(parents=True)
            file.write_bytes(b"\x7fELF\x02\x01\x01\0/libexec/ld-elf.so.1")
            file.chmod(0o755)
        done = machine.quickstart("test")
        self.assertEqual(done.returncode, 1)
        self.assertIn("build/macos/cli/netpoll-trace is not of the kind", done.stderr)
        self.assertNotIn("build/freebsd/cli/netpoll-trace is not of the kind", done.stderr)

    def test_wrong_usage_shows_the_right_one(self):
        for arguments in ((), ("tset",), ("test", "more")):
            done = Machine().quickstart(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("packaging/quickstart test", Machine().quickstart("tset").stderr)
        self.assertIn("packaging/quickstart run", Machine().quickstart("--help").stdout)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
