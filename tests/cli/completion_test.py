#!/usr/bin/env python3
"""Completion in the shells themselves: completion_test.py BINARY

Each shell loads the script that netpoll-trace prints for it and is asked what follows a command line. All of them have to
say the same, which is what the table of commands says.
"""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BINARY = str(Path(sys.argv[1]).resolve())
PATIENCE = 60
ENVIRONMENT = {**os.environ, "PATH": f"{Path(BINARY).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}


def tool(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE)


def script(shell):
    done = tool("completion", shell)
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(*words):
    """What the binary itself answers: how, and words."""
    lines = tool("__complete", *words).stdout.splitlines()
    return lines[0], [line.split("\t")[0] for line in lines[1:]]


class Answers(unittest.TestCase):
    def test_commands_flags_and_values(self):
        overview = re.findall(r"^  ([a-z-]+) +\S", tool("--help").stdout.split("More help")[0], re.M)
        self.assertEqual(asked("")[1], overview + ["--version", "--help"])
        self.assertEqual(asked("sn"), ("words", ["snapshot"]))
        for command in overview:
            flags = set(re.findall(r"^  (?:-\w, |    )?(--[a-z-]+)", tool("help", command).stdout, re.M))
            self.assertEqual(flags - set(asked(command, "-")[1]), set(), command)
        self.assertEqual(asked("run", "--poll-mode", "")[1], ["thread", "inline", "hybrid"])
        self.assertEqual(asked("run", "ec"), ("words", ["echo"]))
        self.assertIn("junit", asked("compare", "-f", "")[1])
        self.assertNotIn("junit", asked("stat", "-f", "")[1])
        self.assertEqual(asked("stat", "--format=op")[1], ["--format=openmetrics"])
        self.assertEqual(asked("stat", "--format", "=", "op")[1], ["openmetrics"])
        self.assertEqual(asked("stat", "--format", "=")[1], asked("stat", "--format", "")[1])
        self.assertEqual(asked("stat", "-e", "read,epoll_c")[1],
                         ["read,epoll_ctl", "read,epoll_create", "read,epoll_create1"])
        self.assertIn(str(os.getpid()), asked("stat", "-p", str(os.getpid())[:2])[1])
        self.assertEqual(asked("compare", "")[0], "files")
        self.assertEqual(asked("compare", "a", "--", "b")[0], "files")
        self.assertEqual(asked("stat", "-o", "x")[0], "files")
        self.assertEqual(asked("compare", "--baseline", "x")[0], "dirs")
        self.assertEqual(asked("stat", "--", "l")[0], "command")
        self.assertEqual(asked("completion", "")[1], ["bash", "zsh", "fish"])
        self.assertEqual(asked("nonsense", "")[1], [])

    def test_an_unknown_shell_is_a_mistake(self):
        done = tool("completion", "bsh")
        self.assertEqual(done.returncode, 2)
        self.assertIn("bash", done.stderr)
        self.assertEqual(tool("completion").returncode, 2)


class Shell:
    """The same questions to each shell."""

    def test_it_offers_what_the_table_says(self):
        self.assertEqual(self.offered("netpoll-trace sn"), ["snapshot"])
        self.assertEqual(self.offered("netpoll-trace run --poll-mode "), sorted(["thread", "inline", "hybrid"]))
        self.assertEqual(self.offered("netpoll-trace run pi"), ["pipe", "pipeline"])
        self.assertEqual(self.offered("netpoll-trace stat --no-"), ["--no-follow-forks"])
        self.assertEqual(self.offered("netpoll-trace stat -e read,epoll_c"),
                         ["read,epoll_create", "read,epoll_create1", "read,epoll_ctl"])

    def test_files_and_programs_are_the_shells_own(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("head one.json", "head-two.json"):
                (Path(folder) / name).touch()
            names = self.offered("netpoll-trace compare hea", folder)
            self.assertEqual({name.replace("\\", "") for name in names}, {"head one.json", "head-two.json"})
            (Path(folder) / "head one.json").unlink()
            self.assertEqual(self.offered("netpoll-trace stat -- cat hea", folder), ["head-two.json"])


@unittest.skipUnless(shutil.which("bash"), "bash is not installed")
class Bash(Shell, unittest.TestCase):
    COMPLETION = "/usr/share/bash-completion/bash_completion"

    def offered(self, line, folder="/"):
        words = shlex.split(line) + ([""] if line.endswith(" ") else [])
        with tempfile.NamedTemporaryFile("w", suffix=".bash") as file:
            file.write(script("bash"))
            file.flush()
            ask = (f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}; "
                   f"COMP_LINE={shlex.quote(line)}; COMP_POINT={len(line)}; _netpoll_trace 2>&1; "
                   "printf '%s\\n' \"${COMPREPLY[@]}\"")
            load = f". {self.COMPLETION}; " if os.path.exists(self.COMPLETION) else ""
            done = subprocess.run(["bash", "--norc", "-c", f"{load}. {file.name}; {ask}"], capture_output=True, text=True,
                                  timeout=PATIENCE, env=ENVIRONMENT, cwd=folder)
        self.assertEqual(done.stderr, "")
        return sorted(done.stdout.split("\n")[:-1])

    def test_a_value_behind_an_equals_sign(self):
        with tempfile.NamedTemporaryFile("w", suffix=".bash") as file:
            file.write(script("bash"))
            file.flush()
            ask = 'COMP_WORDS=(netpoll-trace stat --backend = eb); COMP_CWORD=4; _netpoll_trace; echo "${COMPREPLY[@]}"'
            done = subprocess.run(["bash", "--norc", "-c", f". {file.name}; {ask}"], capture_output=True, text=True,
                                  timeout=PATIENCE, env=ENVIRONMENT)
        self.assertEqual((done.stdout, done.stderr), ("ebpf\n", ""))


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class Fish(Shell, unittest.TestCase):
    def offered(self, line, folder="/"):
        with tempfile.TemporaryDirectory() as home:
            file = Path(home) / "script.fish"
            file.write_text(script("fish"), encoding="utf-8")
            done = subprocess.run(["fish", "--no-config", "-c", f"source {file}; complete -C {shlex.quote(line)}"],
                                  capture_output=True, text=True, timeout=PATIENCE, cwd=folder,
                                  env={**ENVIRONMENT, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home})
        self.assertEqual(done.stderr, "")
        return sorted(text.split("\t")[0] for text in done.stdout.splitlines())

    def test_candidates_are_described(self):
        with tempfile.NamedTemporaryFile("w", suffix=".fish") as file:
            file.write(script("fish"))
            file.flush()
            done = subprocess.run(["fish", "--no-config", "-c", f"source {file.name}; complete -C 'netpoll-trace stat '"],
                                  capture_output=True, text=True, timeout=PATIENCE, env=ENVIRONMENT)
        self.assertIn("--pid\tA process id", done.stdout)


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
class Zsh(Shell, unittest.TestCase):
    """zsh completes in a line editor alone: a session on a terminal, whose list of candidates is read."""

    def offered(self, line, folder="/"):
        with tempfile.TemporaryDirectory() as home:
            (Path(home) / "_netpoll-trace").write_text(script("zsh"), encoding="utf-8")
            # Each candidate is written down as compadd gets it, instead of being drawn.
            (Path(home) / ".zshrc").write_text(
                f"fpath=({home} $fpath); autoload -Uz compinit; compinit -u -d {home}/dump\n"
                "compadd() { local -a found; builtin compadd -O found \"$@\"; print -rl -- $found >> " + home + "/found; "
                "builtin compadd \"$@\" }\n"
                "bindkey '^I' list-choices; PS1='READY> '\n"
                f"cd {shlex.quote(folder)}\n"
                f"finished() {{ touch {home}/done }}; zle -N finished; bindkey '^X' finished\n", encoding="utf-8")
            pid, terminal = pty.fork()
            if pid == 0:
                os.execvpe("zsh", ["zsh", "-i"], {**ENVIRONMENT, "ZDOTDIR": home, "HOME": home, "TERM": "vt100"})
            try:
                self.see(terminal, b"READY>")
                os.write(terminal, line.encode() + b"\t\x18")
                deadline = time.monotonic() + PATIENCE
                while not (Path(home) / "done").exists():
                    self.assertLess(time.monotonic(), deadline, "zsh never answered")
                    if select.select([terminal], [], [], 0.02)[0]:
                        os.read(terminal, 65536)
                found = Path(home) / "found"
                words = found.read_text(encoding="utf-8").splitlines() if found.exists() else []
                return sorted({word for word in words if word})
            finally:
                os.kill(pid, 9)
                os.waitpid(pid, 0)
                os.close(terminal)

    def see(self, terminal, text):
        seen, deadline = b"", time.monotonic() + PATIENCE
        while text not in seen:
            self.assertLess(time.monotonic(), deadline, seen)
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 65536)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
