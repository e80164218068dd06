#!/usr/bin/env python3
"""What HACKING and CONTRIBUTING say of adding things is so: one row in one table, and one file of the row's name."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def rows(table, macro):
    """The first two arguments of each row of a .def table."""
    text = (ROOT / table).read_text(encoding="utf-8")
    return [tuple(word.strip() for word in row.split(",")[:2])
            for row in re.findall(rf"^{macro}\(([^\n]*)\)$", text, re.M)]


def sources_naming(word, folders=("cli", "exporters", "probes", "libruntime")):
    """Files with the word as a whole word in quotes or as an identifier, in code."""
    found = set()
    for folder in folders:
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in (".cc", ".h", ".c", ".json") and re.search(rf"\b{word}\b", file.read_text(encoding="utf-8")):
                found.add(file.relative_to(ROOT).as_posix())
    return found


class Tables(unittest.TestCase):
    def test_a_subcommand_is_a_row_and_a_file(self):
        names = [name for name, *_ in rows("cli/commands.def", "NETPOLL_COMMAND")]
        self.assertGreater(len(names), 5)
        for name in names:
            self.assertIn(f"const Command {name}_command{{", (ROOT / f"cli/commands/{name}.cc").read_text(encoding="utf-8"))
        # One that has less to do on other systems has a second file.
        files = {re.sub("_untraced$", "", f.stem) for f in (ROOT / "cli/commands").glob("*.cc")}
        self.assertEqual(files, set(names))

    def test_a_format_is_a_row_and_a_file(self):
        names = [name for name, *_ in rows("exporters/formats.def", "NETPOLL_FORMAT")]
        self.assertIn("json", names)
        for name in names:
            text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "exporters").glob("*_exporter.cc"))
            self.assertIn(f"make_{name}(", text)

    def test_a_page_is_a_row_and_a_file(self):
        for kind, page in rows("exporters/pages/pages.def", "NETPOLL_PAGE"):
            self.assertIn(f"{page}_page(", (ROOT / f"exporters/pages/{page}.cc").read_text(encoding="utf-8"), kind)

    def test_a_claim_is_a_row_and_a_file(self):
        names = [name for name, *_ in rows("cli/claims/claims.def", "NETPOLL_CLAIM")]
        for name in names:
            self.assertIn(f"const Claim {name}_claim{{", (ROOT / f"cli/claims/experiments/{name}.cc").read_text(encoding="utf-8"))
        self.assertEqual({f.stem for f in (ROOT / "cli/claims/experiments").glob("*.cc")}, set(names))

    def test_every_document_has_a_schema(self):
        listed = re.search(r"set\(NETPOLL_SCHEMA_NAMES ([^)]*)\)", (ROOT / "cli/CMakeLists.txt").read_text(encoding="utf-8"))
        files = {file.stem for file in (ROOT / "cli/schemas").glob("*.json")} - {"shared"}
        self.assertEqual(set(listed.group(1).split()), files)

    def test_a_wait_reason_is_one_row(self):
        for name, number in rows("libruntime/include/netpoll/wait_reasons.def", "NETPOLL_WAIT_REASON"):
            self.assertTrue(number.isdigit(), name)
        text = (ROOT / "libruntime/include/netpoll/wait_reason.h").read_text(encoding="utf-8")
        self.assertNotIn("kChanReceive", text)

    def test_a_system_call_that_only_is_counted_is_named_in_its_table_alone(self):
        self.assertIn(("writev", "io"), rows("probes/syscalls.def", "NETPOLL_SYSCALL"))
        self.assertEqual(sources_naming("SYS_writev", ("cli", "exporters", "probes/bpf")), set())

    def test_a_tracepoint_is_named_where_it_fires_and_in_its_table(self):
        self.assertIn("rearm", [name for name, *_ in rows("libruntime/include/netpoll/trace/tracepoints.def",
                                                          "NETPOLL_TRACEPOINT")])
        self.assertTrue(all(file.startswith("libruntime/poll/") for file in sources_naming(r"deadline_fire")))


if __name__ == "__main__":
    unittest.main()
