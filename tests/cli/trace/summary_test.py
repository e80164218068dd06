#!/usr/bin/env python3
"""Summaries of a trace against what a workload did and strace counts: summary_test.py BINARY KNOWN_CALLS"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from programs import PATIENCE  # noqa: E402
from traces import CALLS, InKernel, Running, Server, tool, works  # noqa: E402

KNOWN_CALLS = os.path.abspath(sys.argv[2])


@unittest.skipUnless(works("ebpf"), "no eBPF here")
class Summary(InKernel):
    def test_a_summary_has_every_call_every_wait_and_the_slowest_connection(self):
        with Server() as server, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.json")
            tracer = Running("-p", server.pid, "--summary", "--json", "-o", path)
            quick = [server.connect() for _ in range(30)]
            slow = server.connect()
            for client in [*quick, slow, *quick, *quick]:
                client.sendall(b"x")
                client.recv(10)
            time.sleep(0.4)
            slow.sendall(b"x")
            slow.recv(10)
            tracer.process.send_signal(signal.SIGUSR1)  # the figures so far, as a page on standard error
            so_far = ""
            while "seen by ebpf" not in so_far:
                line = tracer.process.stderr.readline()
                self.assertTrue(line, so_far)
                so_far += line
            self.assertIn("longest waits for the network", so_far)
            _, err, status = tracer.finish()
            self.assertEqual(status, 130, err)
            with open(path, encoding="utf-8") as file:
                summary = json.load(file)
            peers = {"127.0.0.1:%d" % client.getsockname()[1]: client for client in (*quick, slow)}
            self.assertEqual(summary["schema"], "netpoll-trace/trace-summary/v1")
            calls = summary["syscalls"]
            self.assertEqual((calls["accept4"]["count"], calls["recvfrom"]["count"], calls["sendto"]["count"]), (31, 92, 92))
            self.assertEqual(calls["epoll_ctl"]["count"], 31)
            self.assertEqual(calls["recvfrom"]["errors"], {})
            self.assertEqual(calls["recvfrom"]["duration_ns"]["count"], 92)
            self.assertEqual(summary["steps"]["register"], 31)
            # 31 times the listener became ready, and 92 times a connection.
            self.assertEqual(summary["cpu_wait_ns"]["count"], 123)
            worst = summary["slowest"]["network_wait"]
            self.assertEqual(len(worst), 10)
            first = max((row for row in worst if row["peer"]), key=lambda row: row["network_wait_ns"]["max"])
            self.assertIs(peers[first["peer"]], slow)
            self.assertEqual(first["waits"], 2)
            self.assertGreaterEqual(first["network_wait_ns"]["max"], 400_000_000)
            self.assertGreaterEqual(summary["network_wait_ns"]["max"], 400_000_000)
            longest = [row["network_wait_ns"]["max"] for row in worst]
            self.assertEqual(longest, sorted(longest, reverse=True))
            self.assertEqual((summary["lost"], summary["interrupted"]), (0, True))
            for client in peers.values():
                client.close()

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_a_summary_counts_the_calls_and_errors_that_strace_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            witness, ours = os.path.join(folder, "strace"), os.path.join(folder, "ours")
            done = subprocess.run(["strace", "-e", "trace=" + CALLS, "-o", witness, KNOWN_CALLS, "polls", "io"],
                                  capture_output=True, timeout=PATIENCE)
            if done.returncode != 0:
                self.skipTest("strace may not trace here")
            expected = {}
            with open(witness, encoding="utf-8") as file:
                for line in file:
                    found = re.match(r"(\w+)\(.* = (-?\d+)(?: (E\w+))?", line)
                    if found:
                        count, errors = expected.setdefault(found.group(1), (0, {}))
                        if found.group(3):
                            errors[found.group(3)] = errors.get(found.group(3), 0) + 1
                        expected[found.group(1)] = (count + 1, errors)
            tool("trace", "--summary", "--json", "-o", ours, "-e", CALLS, "--", KNOWN_CALLS, "polls", "io")
            with open(ours, encoding="utf-8") as file:
                calls = json.load(file)["syscalls"]
            self.assertEqual({name: (row["count"], row["errors"]) for name, row in calls.items()}, expected)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
