#!/usr/bin/env python3
"""check_layers.py finds each kind of wrong dependency, in a small tree made for it."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from check_layers import circles

SCRIPT = Path(__file__).with_name("check_layers.py")

GOOD = {
    "libruntime/include/netpoll/error.h": "#include <string>\n",
    "libruntime/include/netpoll/trace/event.h": '#include "netpoll/error.h"\n',
    "libruntime/base/fd.cc": '#include "netpoll/error.h"\n',
    "libruntime/sched/proc.cc": '#include "netpoll/trace/event.h"\n',
    "libruntime/poll/netpoll.h": "",
    "libruntime/poll/netpoll.cc": '#include "libruntime/poll/netpoll.h"\n#include <sys/epoll.h>\n',
    "probes/source.h": '#include "netpoll/trace/event.h"\n',
    "probes/source.cc": '#include "probes/bpf/bpf.h"\n#include "probes/ptrace/tracer.h"\n',
    "probes/bpf/bpf.h": '#include "probes/source.h"\n',
    "probes/ptrace/tracer.h": '#include "probes/source.h"\n',
    "exporters/json.h": '#include "netpoll/trace/event.h"\n',
    "cli/main.cc": '#include "probes/source.h"\n#include "exporters/json.h"\n#include <bpf/libbpf.h>\n',
}
LINKS = [
    "netpoll_trace|libruntime/trace|netpoll_base|libruntime/base",
    "netpoll_sched|libruntime/sched|netpoll_trace|libruntime/trace",
    "netpoll_probes|probes|netpoll_trace|libruntime/trace",
    "netpoll_exporters|exporters|netpoll_trace|libruntime/trace",
    "netpoll-trace|cli|netpoll_probes|probes",
    "netpoll-trace|cli|netpoll_exporters|exporters",
]


def check(changes=None, links=None):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**GOOD, **(changes or {})}.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        command = [sys.executable, str(SCRIPT), "--root", folder]
        if links is not None:
            file = Path(folder, "links.txt")
            file.write_text("\n".join(links), encoding="utf-8")
            command += ["--links", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr


class CheckLayers(unittest.TestCase):
    def rejected(self, needle, changes=None, links=None):
        status, errors = check(changes, links)
        self.assertEqual(status, 1, errors)
        self.assertIn(needle, errors)

    def test_a_clean_tree_passes(self):
        self.assertEqual(check(), (0, ""))
        self.assertEqual(check(links=LINKS), (0, ""))

    def test_sched_does_not_know_poll(self):
        self.rejected("sched must not know poll", {"libruntime/sched/proc.cc": '#include "libruntime/poll/netpoll.h"\n'})

    def test_nobody_includes_upwards(self):
        self.rejected("base must not know probes", {"libruntime/base/fd.cc": '#include "probes/source.h"\n'})

    def test_probes_and_exporters_do_not_know_each_other(self):
        self.rejected("probes must not know exporters", {"probes/source.cc": '#include "exporters/json.h"\n'})
        self.rejected("exporters must not know probes", {"exporters/json.h": '#include "probes/source.h"\n'})

    def test_back_ends_do_not_know_each_other(self):
        self.rejected("probes/bpf/ must not know", {"probes/bpf/bpf.h": '#include "probes/ptrace/tracer.h"\n'})
        self.rejected("probes/ must not know", {"probes/source.h": '#include "probes/ptrace/tracer.h"\n'})

    def test_the_facts_of_a_process_are_known_by_all_and_know_nobody(self):
        self.assertEqual(check({"probes/process/memory.h": "", "probes/bpf/bpf.h": '#include "probes/process/memory.h"\n'}),
                         (0, ""))
        self.rejected("probes/process/ must not know", {"probes/process/memory.h": '#include "probes/bpf/bpf.h"\n'})

    def test_readers_of_runtimes_do_not_know_each_other(self):
        self.rejected("probes/goroutines/go/ must not know",
                      {"probes/goroutines/libruntime/reader.h": "",
                       "probes/goroutines/go/reader.cc": '#include "probes/goroutines/libruntime/reader.h"\n'})

    def test_the_parts_of_a_command_do_not_know_the_commands(self):
        self.rejected("cli/documents/ must not know",
                      {"cli/commands/run.h": "", "cli/documents/run.cc": '#include "cli/commands/run.h"\n'})
        self.rejected("cli/workload/ must not know",
                      {"cli/log.h": "", "cli/workload/plan.cc": '#include "cli/log.h"\n'})

    def test_no_two_folders_know_each_other_but_where_one_lies_in_the_other(self):
        self.assertEqual(circles({"a": ["a/b"], "a/b": ["a"], "a/c": ["a", "a/b"]}), [])
        self.assertEqual(circles({"a/b": ["a/c"], "a/c": ["a/d"], "a/d": ["a/b"], "a/e": ["a/b"]}),
                         ["a/b", "a/c", "a/d"])

    def test_a_new_folder_needs_a_row(self):
        for tree in ("probes", "exporters", "cli"):
            self.rejected("no row in FOLDERS", {f"{tree}/mystery/thing.h": ""})

    def test_only_the_bottom_of_libruntime_is_known_beside_its_public_headers(self):
        self.assertEqual(check({"libruntime/base/clock.h": "", "cli/main.cc": '#include "libruntime/base/clock.h"\n'}),
                         (0, ""))
        self.rejected("is libruntime's own", {"cli/main.cc": '#include "libruntime/poll/netpoll.h"\n'})
        self.rejected("is libruntime's own", {"libruntime/include/netpoll/sync/detail/chan.h": "",
                                              "cli/main.cc": '#include "netpoll/sync/detail/chan.h"\n'})

    def test_the_endpoint_stands_above_the_formats_that_it_serves(self):
        endpoint, runtime = "exporters/endpoint/pages.cc", "libruntime/include/netpoll/runtime.h"
        self.assertEqual(check({runtime: "", endpoint: '#include "exporters/json.h"\n#include "netpoll/runtime.h"\n'}),
                         (0, ""))
        self.rejected("exporters must not know endpoint", {"exporters/endpoint/pages.h": "",
                                                           "exporters/json.h": '#include "exporters/endpoint/pages.h"\n'})
        self.rejected("exporters must not know runtime", {runtime: "", "exporters/json.h": '#include "netpoll/runtime.h"\n'})
        self.rejected("is libruntime's own", {endpoint: '#include "libruntime/poll/netpoll.h"\n'})

    def test_examples_know_what_users_know(self):
        example = "libruntime/examples/echo.cc"
        self.assertEqual(check({example: '#include "netpoll/error.h"\n'}), (0, ""))
        self.rejected("which users do not have", {example: '#include "libruntime/poll/netpoll.h"\n'})

    def test_public_headers_show_no_poller_and_nothing_private(self):
        header = "libruntime/include/netpoll/error.h"
        self.rejected("do not include <sys/epoll.h>", {header: "#include <sys/epoll.h>\n"})
        self.rejected("do not include <bpf/bpf.h>", {header: "#include <bpf/bpf.h>\n"})
        self.rejected("includes the private", {header: '#include "libruntime/poll/netpoll.h"\n'})
        self.rejected("the same on every platform", {header: "#if defined(__linux__)\n#endif\n"})

    def test_libruntime_depends_on_libc_alone(self):
        self.rejected("depends on libc alone", {"libruntime/base/fd.cc": "#include <fmt/core.h>\n"})

    def test_a_link_against_the_rules_is_found(self):
        self.rejected("netpoll_probes links netpoll_exporters", links=LINKS + ["netpoll_probes|probes|netpoll_exporters|exporters"])

    def test_an_include_without_a_link_line_is_found(self):
        self.rejected("no target of it links exporters", links=LINKS[:-1])


if __name__ == "__main__":
    unittest.main()
