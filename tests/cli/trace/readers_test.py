#!/usr/bin/env python3
"""A trace whose reader is slow, leaves or comes when asked: readers_test.py BINARY

What finds no room is counted to the last event, and nobody is held up.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from programs import PATIENCE, until  # noqa: E402
from traces import BINARY, InKernel, Running, Server, lines_of, tool, traced, works  # noqa: E402


@unittest.skipUnless(works("ebpf"), "no eBPF here")
class Readers(InKernel):
    def test_what_finds_no_room_is_counted_to_the_last_event(self):
        program = "import os\nr, w = os.pipe()\nfor i in range(50000): os.write(w, b'x'); os.read(r, 1)\n"
        _, events, end, lines = traced(sys.executable, "-c", program, flags=("--buffer", "4Ki", "-e", "read,write"))
        said = sum(line["count"] for line in lines if line["type"] == "lost")
        self.assertGreater(said, 0)
        self.assertEqual(end["lost"], said)
        self.assertEqual(sum(end["lost_by_cpu"]), said)
        _, whole, complete, _ = traced(sys.executable, "-c", program, flags=("-e", "read,write"))
        self.assertEqual(complete["lost"], 0)
        pairs = [e for e in whole if e["kind"] == "syscall" and e["result"] == 1 and e["args"].get("count") == 1]
        self.assertEqual(len(pairs), 100000)
        # Both runs make about the same number of calls; those of the interpreter's start may differ a little.
        self.assertLess(abs(end["seen"] + said - complete["seen"]), 500)
        status = tool("trace", "--strict", "--buffer", "4Ki", "-f", "ndjson", "-o", "/dev/null", "--", sys.executable, "-c",
                      program, ok=None)
        self.assertEqual(status.returncode, 4)

    def test_a_reader_that_is_too_slow_costs_events_and_holds_nobody_up(self):
        program = "import os\nr, w = os.pipe()\nfor i in range(600000): os.write(w, b'x'); os.read(r, 1)\n"
        read_end, write_end = os.pipe()
        process = subprocess.Popen([BINARY, "trace", "-f", "ndjson", "-o", f"/dev/fd/{write_end}", "-e", "read,write", "--",
                                    sys.executable, "-c", program + "print('done', flush=True)\n"], stdout=subprocess.PIPE,
                                   text=True, pass_fds=(write_end,))
        os.close(write_end)
        self.assertEqual(process.stdout.readline(), "done\n")  # nobody has read a byte of the trace yet
        with os.fdopen(read_end, encoding="utf-8") as reader:
            _, events, end, lines = lines_of(reader.read())
        process.stdout.close()
        self.assertEqual(process.wait(timeout=PATIENCE), 0)
        self.assertEqual(end["events"], len(events))
        # Behind the tool, or before it where it got no CPU itself.
        self.assertGreater(max(end["lost_output"], end["lost"]), 0)
        self.assertEqual(sum(line["count"] for line in lines if line["type"] == "lost"), end["lost"])
        self.assertLessEqual(end["events"] + end["lost_output"], end["seen"])

    def test_a_reader_that_leaves_is_an_error_and_not_a_hang(self):
        with Server() as server:
            tracer = Running("-p", server.pid)
            tracer.process.stdout.close()
            client = server.connect()
            deadline = time.monotonic() + PATIENCE
            while tracer.process.poll() is None and time.monotonic() < deadline:
                client.sendall(b"x")
                client.recv(10)
            client.close()
            self.assertEqual(tracer.process.wait(timeout=PATIENCE), 3)
            tracer.process.stderr.close()
            self.assertIsNone(server.process.poll())

    def test_who_interrupts_twice_does_not_wait_for_a_reader_that_does_not_read(self):
        with Server() as server:
            tracer = Running("-p", server.pid, "-f", "ndjson")
            with server.connect() as client:
                for _ in range(5000):  # more than a pipe holds
                    client.sendall(b"x")
                    client.recv(10)
            time.sleep(0.1)
            tracer.process.send_signal(signal.SIGINT)
            time.sleep(0.5)  # what comes at once is taken for the same request
            self.assertIsNone(tracer.process.poll())
            tracer.process.send_signal(signal.SIGINT)
            self.assertEqual(tracer.process.wait(timeout=PATIENCE), -signal.SIGINT)
            tracer.process.stdout.close()
            tracer.process.stderr.close()
            with server.connect() as client:
                client.sendall(b"y")
                self.assertEqual(client.recv(10), b"y")

    def test_a_flight_recorder_keeps_the_newest_and_writes_when_asked(self):
        program = "import os\nr, w = os.pipe()\nfor i in range(20000): os.write(w, b'x'); os.read(r, 1)\nos.write(w, b'last')\n"
        _, events, end, _ = traced(sys.executable, "-c", program, flags=("--ring", "1Mi", "-e", "read,write"))
        self.assertGreater(end["overwritten"], 30000)
        self.assertEqual(end["events"], len(events))
        writes = [e for e in events if e["name"] == "write"]
        self.assertEqual(writes[-1]["args"]["count"], 4)
        self.assertGreater(len(events), 500)
        with Server() as server, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out")
            tracer = Running("-p", server.pid, "--ring", "1Mi", "-f", "ndjson", "-o", path)
            with server.connect() as client:
                client.sendall(b"x")
                client.recv(10)
                time.sleep(0.1)  # what is younger than some milliseconds may not be there yet
                tracer.process.send_signal(signal.SIGUSR1)
                until(lambda: os.path.exists(path), "a recording")
                with open(path, encoding="utf-8") as file:
                    _, asked_for, _, _ = lines_of(file.read())
                self.assertIn("sendto", [e["name"] for e in asked_for])
            _, _, status = tracer.finish()
            self.assertEqual(status, 130)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
