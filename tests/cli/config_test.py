#!/usr/bin/env python3
"""gen-config and what a configuration does: config_test.py BINARY

Flags beat the environment, and that beats the file; mistakes are told with line and column.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import tomllib
except ImportError:  # before Python 3.11
    tomllib = None

BINARY = sys.argv[1]
PATIENCE = 60
RUN = ("run", "echo", "--conns", "2", "--ops", "100", "--backend", "none", "--json")


def tool(*arguments, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NETPOLL_TRACE_")}
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE,
                          env={**clean, "NETPOLL_TRACE_CONFIG": "", **environment})


class Config(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, text):
        path = Path(self.folder.name) / "config.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def poll_mode(self, *flags, **environment):
        done = tool(*RUN, *flags, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["workload"]["poll_mode"]

    def test_flags_beat_the_environment_and_that_beats_the_file(self):
        path = self.file('[run]\npoll-mode = "thread"\n')
        self.assertEqual(self.poll_mode(), "hybrid")
        self.assertEqual(self.poll_mode(NETPOLL_TRACE_CONFIG=path), "thread")
        self.assertEqual(self.poll_mode(NETPOLL_TRACE_CONFIG=path, NETPOLL_TRACE_RUN_POLL_MODE="inline"), "inline")
        self.assertEqual(self.poll_mode(NETPOLL_TRACE_CONFIG=path, NETPOLL_TRACE_RUN_POLL_MODE=""), "thread")
        self.assertEqual(self.poll_mode("--poll-mode", "hybrid", NETPOLL_TRACE_CONFIG=path,
                                        NETPOLL_TRACE_RUN_POLL_MODE="inline"), "hybrid")

    def test_the_file_is_found_where_others_keep_theirs(self):
        home = Path(self.folder.name)
        (home / ".config" / "netpoll-trace").mkdir(parents=True)
        (home / ".config" / "netpoll-trace" / "config.toml").write_text('[run]\npoll-mode = "thread"\n', encoding="utf-8")
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("NETPOLL_TRACE_", "XDG_"))}
        for changed in ({"HOME": str(home)}, {"HOME": "/", "XDG_CONFIG_HOME": str(home / ".config")}):
            done = subprocess.run([BINARY, *RUN], capture_output=True, text=True, timeout=PATIENCE,
                                  env={**environment, **changed})
            self.assertEqual(json.loads(done.stdout)["workload"]["poll_mode"], "thread")
        relative = subprocess.run([BINARY, *RUN], capture_output=True, text=True, timeout=PATIENCE, cwd=home,
                                  env={**environment, "HOME": "/", "XDG_CONFIG_HOME": ".config"})
        self.assertEqual(json.loads(relative.stdout)["workload"]["poll_mode"], "hybrid")

    def test_numbers_switches_and_lists(self):
        path = self.file('quiet = true\n[run]\nops = 77\nconns = 1\nevent = ["epoll_ctl", "park"]\n')
        done = tool("run", "echo", "--backend", "none", "--json", NETPOLL_TRACE_CONFIG=path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        document = json.loads(done.stdout)
        self.assertEqual(document["operations"], 77)
        self.assertEqual(set(document["tracepoints"]), {"park"})
        done = tool("run", "idle", "--conns", "1", "-d", "50ms", "--backend", "none", "--json",
                    NETPOLL_TRACE_CONFIG=self.file("[run]\nhold = true\n"))
        self.assertTrue(json.loads(done.stdout)["workload"]["hold"])

    def test_json_on_the_command_line_beats_a_configured_format(self):
        done = tool(*RUN, NETPOLL_TRACE_RUN_FORMAT="csv")
        self.assertEqual((done.returncode, json.loads(done.stdout)["operations"]), (0, 100))
        done = tool(*RUN[:-1], NETPOLL_TRACE_RUN_FORMAT="csv")
        self.assertTrue(done.stdout.startswith("figure,value,"), done.stdout[:100])

    def test_a_configuration_that_cannot_be_read_is_named(self):
        for path, status in ((self.folder.name, 2), (self.file(""), 0)):
            done = tool(*RUN, NETPOLL_TRACE_CONFIG=path)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn("" if status == 0 else f"cannot read the configuration {path}: Is a directory", done.stderr)
        self.assertEqual(tool(*RUN, NETPOLL_TRACE_CONFIG="/dev/null").returncode, 0)  # what the hint says

    def test_one_that_is_too_large_is_refused_before_it_is_read(self):
        path = self.file("")
        os.truncate(path, 3 << 30)
        for name in (path, "/dev/zero"):
            done = tool(*RUN, NETPOLL_TRACE_CONFIG=name)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"the configuration {name} is larger than 1 MiB", done.stderr)

    def test_other_commands_sections_are_theirs(self):
        path = self.file('[stat]\nevent = "epoll"\n')
        self.assertEqual(self.poll_mode(NETPOLL_TRACE_CONFIG=path), "hybrid")

    def test_mistakes_are_told_with_line_and_column(self):
        for text, where, words in (
                ('[run]\npoll_mode = "thread"\n', "2:1", ("poll_mode", "poll-mode")),
                ("[rum]\nops = 1\n", "1:2", ("rum", "run")),
                ('colour = "never"\n', "1:1", ("colour", "color")),
                ('ops = 5\n', "1:1", ("ops",)),
                ('[run]\npid = 5\n', "2:1", ("pid",)),
                ("[run]\nops = 1.5\n", "2:7", ("ops", "number")),
                ("[run\n", "1:5", ()),
                ("[run]\nops = \n", "2:", ())):
            path = self.file(text)
            done = tool(*RUN, NETPOLL_TRACE_CONFIG=path)
            self.assertEqual(done.returncode, 2, text)
            self.assertIn(f"{path}:{where}", done.stderr)
            for word in words:
                self.assertIn(word, done.stderr)
        done = tool(*RUN, NETPOLL_TRACE_RUN_POLL_MODE="nonsense")
        self.assertEqual(done.returncode, 2)
        self.assertIn("nonsense", done.stderr)
        done = tool(*RUN, NETPOLL_TRACE_CONFIG=self.folder.name + "/nothing")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(tool("run", "--help", NETPOLL_TRACE_CONFIG=self.file("[")).returncode, 0)

    def test_what_is_printed_is_all_comment_and_all_of_it_is_accepted(self):
        printed = tool("gen-config")
        self.assertEqual(printed.returncode, 0)
        text = printed.stdout
        self.assertFalse([line for line in text.splitlines() if line and line[0] not in "#["])
        everything = re.sub(r"^#(?=[a-z-]+ = )", "", text, flags=re.M)
        commands = re.findall(r"^\[(.+)\]$", text, re.M)
        self.assertIn("run", commands)
        for command in commands:
            flags = set(re.findall(r"--([a-z-]+)", re.sub(r"^ {10,}.*$", "", tool("help", command).stdout, flags=re.M)))
            self.assertTrue(flags, command)
        if tomllib:
            tables = tomllib.loads(everything)
            self.assertIn("poll-mode", tables["run"])
            self.assertIn("color", tables)
            self.assertNotIn("pid", tables["stat"])
        for path in (self.file(text), self.file(everything)):
            self.assertEqual(self.poll_mode(NETPOLL_TRACE_CONFIG=path), "hybrid")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
