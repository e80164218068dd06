#!/usr/bin/env python3
"""Operations of io_uring in a trace, against what a program says it did: uring_test.py BINARY [KNOWN_URING]"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from programs import PATIENCE  # noqa: E402
from traces import Running, lines_of, tool, works  # noqa: E402

KNOWN_URING = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else None


class KnownUring:
    """The program that says which operations of io_uring it submitted; it begins when told and ends when its input does."""

    def __init__(self, test):
        if KNOWN_URING is None:
            test.skipTest("known_uring was not built")
        self.test = test
        self.process = subprocess.Popen([KNOWN_URING, "await"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        test.addCleanup(self.end)
        self.pid = str(self.process.pid)

    def run(self):
        """All lines that it says."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        said = []
        for line in self.process.stdout:
            if line == "refused\n":
                self.test.skipTest("io_uring is refused here")
            said.append(line.split())
            if line.startswith("open "):
                return said
        raise AssertionError(f"known_uring ended early: {said}")

    def end(self):
        if not self.process.stdin.closed:
            self.process.communicate(timeout=PATIENCE)


def as_said(event):
    """An operation in the words of known_uring."""
    args = event["args"]
    about = f"file {args['file']}" if "file" in args else str(args.get("fd", "-"))
    words = f"{event['name'].removeprefix('uring_')} {about} {args['user_data']}"
    return (["open"] if event.get("unfinished") else []) + (words + ("" if event.get("unfinished") else
                                                                     f" {event['result']}")).split()


@unittest.skipUnless(works("ebpf"), "eBPF does not work here")
class Uring(unittest.TestCase):
    def traced(self, *flags, end_first):
        """What it said, and the lines of its trace."""
        target = KnownUring(self)
        tracer = Running("-p", target.pid, "-f", "ndjson", *flags)
        said = target.run()
        if end_first:
            target.end()
        out, _ = tracer.process.communicate(timeout=PATIENCE) if end_first else tracer.finish()[:2]
        return said, *lines_of(out)[:3]

    def test_every_operation_is_an_event_with_its_descriptor_result_and_time(self):
        said, meta, events, end = self.traced("-e", "uring", end_first=True)
        operations = [event for event in events if event["kind"] == "io_uring"]
        self.assertEqual(sorted(as_said(event) for event in operations), sorted(said))
        self.assertEqual({event["kind"] for event in events} - {"io_uring", "process"}, set())
        for event in operations:
            self.assertIsNotNone(event["duration_ns"], event)
            self.assertEqual(event["tid"], operations[0]["tid"])
        # It was submitted 20 ms before what ended it.
        waited, left = (event for event in operations if event["name"] == "uring_recv")
        self.assertTrue(left["unfinished"])  # it is under way when its process ends
        self.assertEqual(left["fd"], int(left["args"]["fd"]))
        self.assertEqual([event["name"] for event in events if event["kind"] == "process"], ["exit"])
        self.assertGreaterEqual(waited["duration_ns"], 20_000_000)
        self.assertEqual(waited["fd"], int(waited["args"]["fd"]))
        failed, = (event for event in operations if event["name"] == "uring_close")
        self.assertEqual(failed["error"], "EBADF")
        # IORING_CQE_F_MORE of all but the last.
        repeated = [int(event["args"].get("flags", "0"), 16) & 2 for event in operations if event["name"] == "uring_poll_add"]
        self.assertEqual(repeated, [2, 2, 0])
        kinds = {kind["name"]: kind for kind in meta["events"] if kind["kind"] == "io_uring"}
        self.assertEqual(kinds["uring_recv"]["args"]["fd"], "fd")
        self.assertEqual(end["lost"], 0)

    def test_what_is_under_way_at_the_end_is_unfinished(self):
        said, _, events, _ = self.traced("-e", "uring_recv,uring_nop", end_first=False)
        self.assertEqual([as_said(event) for event in events if event["kind"] == "io_uring"],
                         [line for line in said if {"recv", "nop"} & set(line[:2])])

    def test_threads_of_the_kernel_in_a_process_are_in_no_call(self):
        target = KnownUring(self)
        target.run()
        with open(f"/proc/{target.pid}/status", encoding="ascii") as file:
            if "Threads:\t1\n" in file.read():
                self.skipTest("the kernel needed no thread")
        _, events, _, _ = lines_of(Running("-p", target.pid, "-f", "ndjson").finish()[0])
        self.assertEqual([(event["name"], event.get("fd")) for event in events], [("read", 0)])
        counted = json.loads(tool("stat", "-p", target.pid, "-d", "100ms", "--json", "-o", "-").stdout)
        flying = {name for name, row in counted["syscalls"].items() if row.get("in_flight", {}).get("count")}
        self.assertEqual(flying, {"read"})

    def test_operations_are_summed_up_by_name_as_stat_counts_them(self):
        if KNOWN_URING is None:
            self.skipTest("known_uring was not built")
        with tempfile.TemporaryDirectory() as folder:
            stat, summary = os.path.join(folder, "stat"), os.path.join(folder, "summary")
            tool("stat", "--json", "-o", stat, "--", KNOWN_URING, stdin=subprocess.DEVNULL)
            tool("trace", "--summary", "--json", "-o", summary, "--", KNOWN_URING, stdin=subprocess.DEVNULL)
            with open(stat, encoding="utf-8") as file:
                counted = json.load(file)["io_uring"]
            with open(summary, encoding="utf-8") as file:
                summed = json.load(file)["io_uring"]
        if not counted["submitted"]:
            self.skipTest("io_uring is refused here")
        # The one that completed three times counts once for the kernel.
        completed = {name.removeprefix("uring_"): row["count"] for name, row in summed.items()}
        completed["poll_add"] -= 2
        self.assertEqual(completed, counted["ops"])
        self.assertEqual(summed["uring_close"]["errors"], {"EBADF": 1})
        # The one left open has no time among the others.
        self.assertEqual((summed["uring_recv"]["unfinished"], summed["uring_recv"]["duration_ns"]["count"]), (1, 1))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
