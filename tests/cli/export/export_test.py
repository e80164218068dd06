#!/usr/bin/env python3
"""export: every format is read back by a program that is not ours. export_test.py BINARY PROTOS"""

import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import perfetto  # noqa: E402
import scenario  # noqa: E402
from scenario import START  # noqa: E402

BINARY, PROTOS = sys.argv[1:3]
tool = scenario.Tool(BINARY)
SQL = """select 'slice', count(*), sum(dur) from slice;
select 'unended', count(*) from slice where dur < 0;
select 'stats', name, value from stats where value > 0 and severity in ('error', 'data_loss');
select 'stats', name, value from stats where name in ('clock_sync_failure_unknown_source_clock',
  'track_event_counter_invalid_track_uuid') and value > 0;
"""


class Export(scenario.InFolder):
    def recorded(self, lines, name="in.ndjson"):
        scenario.write(self.path(name), lines)
        return self.path(name)

    def story(self, comm="server"):
        events = scenario.story()
        return self.recorded([scenario.meta(comm), *events, scenario.end(len(events))])

    def export(self, source, name, *flags, ok=0):
        out = self.path("out." + name)
        done = tool("export", source, "-f", name, "-o", out, *flags, ok=ok)
        return out, done.stderr.decode()


class Reading(Export):
    def test_a_copy_in_the_same_format_has_the_same_bytes(self):
        source = self.story(scenario.HOSTILE)
        out, _ = self.export(source, "ndjson")
        with open(source, encoding="utf-8") as before, open(out, encoding="utf-8") as after:
            # Not splitlines(): it takes U+2028 for the end of a line.
            for old, new in zip(before.read().split("\n"), after.read().split("\n"), strict=True):
                self.assertEqual(new and json.loads(new), old and json.loads(old))
        again, _ = self.export(out, "ndjson", "--color", "never")
        with open(again, "rb") as a, open(out, "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_text_is_what_the_trace_would_have_printed(self):
        out, _ = self.export(self.story(), "text")
        with open(out, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(text.count("\n"), len(scenario.story()) + 1)
        self.assertIn("ADD", text)
        self.assertIn("IN|ET|0x10000", text)
        self.assertNotIn("\x1b", text)

    def test_a_trace_without_its_last_line_says_so_in_every_format(self):
        source = self.recorded([scenario.meta(), *scenario.story()])
        with open(source, "a", encoding="utf-8") as file:
            file.write('{"type":"event","time_ns":1000')
        said_in = {"text": b"cut short", "perfetto": b"cut short", "chrome": b'"cut_short":"true"',
                   "html": b'"cut_short":true', "speedscope": b"cut short", "folded": b"cut short",
                   "prometheus": b"\nnetpoll_trace_complete 0\n", "openmetrics": b"\nnetpoll_trace_complete 0\n",
                   "otlp": b'"netpoll.trace.complete","value":{"boolValue":false}'}
        for name, words in said_in.items():
            out, said = self.export(source, name)
            self.assertIn("cut short", said)
            with open(out, "rb") as file:
                self.assertIn(words, file.read())
            self.export(source, name, "--strict", ok=4)
        out, said = self.export(source, "ndjson")
        with open(out, encoding="utf-8") as file:
            self.assertNotIn('"end"', file.read())

    def test_what_is_no_trace_is_refused_with_its_line(self):
        events = [scenario.meta(), *scenario.story(), scenario.end(20)]
        for lines, word in (
            ([events[0], {"type": "event", "time_ns": 5}], "line 2: an event without a name"),
            ([*events, scenario.run(1, 1)], f"line {len(events) + 1}: "),
            ([scenario.meta(schema="netpoll-trace/trace/v2")], "trace/v2"),
            ([scenario.meta(schema="somebody/else")], "not a document"),
            ([{"type": "meta"}], "not a document"),
            ([events[0], [1, 2]], "line 2"),
        ):
            _, said = self.export(self.recorded(lines), "text", ok=2)
            self.assertIn(word, said)
        with open(self.path("in.ndjson"), "w", encoding="utf-8") as file:
            file.write(json.dumps(events[0]) + "\nnonsense\n" + json.dumps(events[1]) + "\n")
        _, said = self.export(self.path("in.ndjson"), "text", ok=2)
        self.assertIn("line 2: not JSON", said)
        self.assertEqual(os.listdir(self.folder), ["in.ndjson"])
        for content in (b"", b"\0\xff\xfe", b"[" * 100_000, b'{"type":"meta"'):
            with open(self.path("in.ndjson"), "wb") as file:
                file.write(content)
            self.export(self.path("in.ndjson"), "text", ok=2)

    def test_a_file_that_is_not_there_is_said(self):
        for path in ("/nonexistent", self.folder):
            done = tool("export", path, "-f", "text", ok=2)
            self.assertIn(b"cannot read " + path.encode(), done.stderr)
        with open(self.story(), "rb") as file:
            done = tool("export", "-", "-f", "folded", stdin=file)
        self.assertIn(b"[park IO wait] 19000", done.stdout)

    def test_a_newer_minor_version_is_read(self):
        event = scenario.run(5, 1)
        event["new"] = {"deep": [{"er": [1, "x", None, 2.5, {"a": "b"}]}]}
        event["args"]["more"] = {"x": [1]}
        lines = [scenario.meta(schema="netpoll-trace/trace/v1.3"), {"type": "weather"}, event, scenario.end(1)]
        out, _ = self.export(self.recorded(lines), "text")
        with open(out, encoding="utf-8") as file:
            self.assertIn("run goid=1", file.read())

    def large(self, count):
        """Goroutines that come, wait, run and end, a new one every four events, on 30,000 descriptors."""
        source = self.path("large.ndjson")
        with open(source, "w", encoding="utf-8") as file:
            file.write(json.dumps(scenario.meta()) + "\n")
            of_one = [json.dumps(line, separators=(",", ":")).replace("777777", "%(goid)d").replace("55555", "%(fd)d")
                      .replace(str(START + 333333), "%(at)d")
                      for line in (scenario.park(333333, 777777, 55555), scenario.ready(333333, 777777),
                                   dict(scenario.tracepoint(333333, "run", {"goid": 777777, "p": 0}, 777777, 55555,
                                                            "10.0.0.1:55555", step="run"), network_wait_ns=1000,
                                        cpu_wait_ns=100),
                                   scenario.go_exit(333333, 777777))]
            text = "\n".join(of_one) + "\n"
            for i in range(count // 4):
                file.write(text % {"goid": i + 1, "fd": i % 30_000, "at": START + i * 400})
            file.write(json.dumps(scenario.end(count)) + "\n")
        return source

    def converted(self, source, name, out="/dev/null"):
        """Peak memory of a conversion, in KiB."""
        with subprocess.Popen([BINARY, "export", source, "-f", name, "-o", out]) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
        self.assertEqual(status, 0)
        return usage.ru_maxrss

    def test_a_million_events_go_through_in_little_memory_and_come_out_again(self):
        source = self.large(100_000)
        small = self.converted(source, "perfetto")
        source, again = self.large(1_000_000), self.path("again")
        peaks = {name: self.converted(source, name, again if name == "ndjson" else "/dev/null") for name in (
            "perfetto", "chrome", "html", "speedscope", "pprof", "folded", "text", "prometheus", "otlp", "ndjson")}
        self.assertLess(peaks["perfetto"] - small, 8 * 1024)
        # Sanitizers need memory of their own.
        with open(BINARY, "rb") as file:
            sanitized = b"__asan_" in file.read()
        if not sanitized:
            self.assertLess(max(peaks.values()), 64 * 1024, peaks)
        with open(again, "rb") as a, open(source, "rb") as b:
            next(a), next(b)  # meta, whose blanks are the library's
            for count, (line, other) in enumerate(zip(a, b, strict=True)):
                if line != other and count < 1_000_000:
                    self.fail(f"{line} is not {other}")

    def test_the_list_names_every_format_with_what_it_accepts(self):
        text = tool("export", "--list").stdout.decode()
        rows = {line.split()[0]: line for line in text.splitlines()[1:]}
        self.assertIn("trace", rows["perfetto"])
        self.assertIn("snapshot", rows["pprof"])
        self.assertIn("verdict", rows["junit"])

    def test_a_format_that_cannot_show_it_is_refused(self):
        done = tool("export", self.story(), "-f", "junit", ok=2)
        self.assertIn(b"cannot show this", done.stderr)


@unittest.skipUnless(shutil.which("protoc"), "protoc is missing (package protobuf-compiler)")
class Perfetto(Export):
    def trace(self, source, *flags):
        out, _ = self.export(source, "perfetto", *flags)
        return perfetto.Trace(out, PROTOS)

    def test_goroutines_park_wait_and_run_as_their_events_say(self):
        trace = self.trace(self.story())
        self.assertEqual([(s[1], s[2] - START, s[3] - START) for s in trace.of("server/Goroutines/G7")], [
            ("runnable", 200, 300), ("run", 300, 1300), ("park", 1300, 5600), ("runnable", 5600, 6000),
            ("run", 6000, 7000), ("park", 7000, 9000), ("runnable", 9000, 9500), ("run", 9500, 9900)])
        park = trace.of("server/Goroutines/G7")[2][4]
        self.assertEqual((park["fd"], park["mode"], park["reason"]), (5, "read", "IO wait"))
        # Control characters are spelled out, the rest is as it was.
        self.assertEqual(park["peer"], "unix:/" + scenario.HOSTILE.replace("\n", "\\n").replace("\x01", "\\x01").replace(
            "\x1b", "\\x1b"))
        self.assertEqual([(s[1], s[2] - START, s[3] - START) for s in trace.of("server/Goroutines/G8")], [
            ("run", 1400, 6000), ("runnable", 6000, 7000), ("run", 7000, 9500), ("park", 9500, 33_000)])
        self.assertTrue(trace.of("server/Goroutines/G8")[-1][4]["truncated"])
        self.assertEqual([(s[2] - START, s[3] - START, s[4]["goid"]) for s in trace.of("server/Ps/P0")], [
            (300, 1300, 7), (1400, 6000, 8), (6000, 7000, 7), (7000, 9500, 8), (9500, 9900, 7)])
        self.assertEqual([(s[1], s[2] - START, s[3] - START) for s in trace.of("server/fds/fd 5")],
                         [("open", 100, 33_000)])
        poll, = trace.of("server/thread 51")
        self.assertEqual((poll[1], poll[2] - START, poll[3] - START, poll[4]), (
            "poll", 1500, 5500, {"timeout_ns": -1, "n": 1}))

    def test_arrows_lead_from_park_over_ready_to_run(self):
        trace = self.trace(self.story())
        woken = [[(time - START, track.split("/")[-1], name, ends) for time, track, name, ends in sorted(flow)]
                 for flow in trace.flows.values()]
        self.assertIn([(1300, "G7", "park", False), (5600, "thread 51", "ready", False), (6000, "G7", "run", True)],
                      woken)
        self.assertIn([(7000, "G7", "park", False), (9000, "thread 51", "ready", False), (9500, "G7", "run", True)],
                      woken)
        self.assertIn([(11_500, "thread 60", "epoll_wait", False), (31_800, "thread 60", "read", True)], woken)

    def test_a_program_of_which_only_calls_are_known_has_its_waits(self):
        trace = self.trace(self.story())
        self.assertEqual([(s[1], s[2] - START, s[3] - START) for s in trace.of("pid 70/fds/fd 6 read")],
                         [("park", 11_000, 30_000), ("runnable", 30_000, 31_800)])
        named = [t for t in map(trace.name_of, trace.tracks) if "/Goroutines/G9" in t]
        self.assertEqual(len(named), 1)
        self.assertEqual([(s[1], s[2] - START, s[3] - START) for s in trace.of(named[0])], [
            ("read", 10_700, 11_000), ("park", 11_000, 30_000), ("runnable", 30_000, 31_800), ("read", 31_800, 32_000)])
        calls = trace.of("pid 70/thread 60")
        self.assertEqual([(s[1], s[3] - START) for s in calls],
                         [("epoll_ctl", 10_000), ("read", 11_000), ("epoll_wait", 30_000), ("read", 32_000)])
        self.assertEqual(calls[0][4]["op"], "ADD")
        self.assertEqual(calls[0][4]["events"], "IN|ET|0x10000")
        self.assertEqual((calls[1][4]["result"], calls[1][4]["error"]), (-11, "EAGAIN"))

    def test_counters_end_at_what_is_true(self):
        trace = self.trace(self.story())
        self.assertEqual(trace.counters["server/parked goroutines"][-1][1], 1)
        self.assertEqual(trace.counters["server/runnable goroutines"][-1][1], 0)
        self.assertEqual(trace.counters["server/wake-ups"][-1][1], 2)
        self.assertEqual(trace.counters["pid 70/wake-ups"][-1][1], 2)
        self.assertEqual([value for _, value in trace.counters["netpoll-trace/events lost"]], [0, 0])
        self.assertEqual(trace.primary_clock, 3)
        self.assertEqual(trace.clocks, {3: START, 1: 1767323045678000000})

    def test_losses_are_seen_and_nothing_spans_them(self):
        events = [scenario.run(100, 7), scenario.park(200, 7, 5),
                  {"type": "lost", "time_ns": START + 300, "count": 12, "cpu": 1, "where": "kernel"},
                  scenario.ready(400, 7, 5), scenario.run(500, 7), scenario.park(600, 7, 5)]
        trace = self.trace(self.recorded([scenario.meta(), *events, scenario.end(5, 12)]))
        self.assertEqual([(s[1], s[2] - START, s[3] - START, s[4].get("truncated", False))
                          for s in trace.of("server/Goroutines/G7")], [
            ("run", 100, 200, False), ("park", 200, 300, True), ("runnable", 400, 500, False),
            ("run", 500, 600, False), ("park", 600, 600, True)])
        self.assertEqual(trace.counters["netpoll-trace/events lost"], [(START, 0), (START + 300, 12), (START + 600, 12)])
        self.assertEqual(trace.dropped, 1)
        lost, = (i for i in trace.instants if i[1] == "events lost")
        self.assertEqual(lost[3], {"count": 12, "cpu": 1, "where": "kernel"})

    def test_no_event_and_one(self):
        empty = self.trace(self.recorded([scenario.meta(), scenario.end(0)]))
        self.assertEqual(empty.slices, [])
        self.assertEqual([i[1] for i in empty.instants], ["trace begins", "trace ends"])
        single = self.trace(self.recorded([scenario.meta(), scenario.run(100, 7), scenario.end(1)]))
        self.assertEqual([(s[0], s[1]) for s in single.slices], [("server/Goroutines/G7", "run"), ("server/Ps/P0", "run")])

    def test_only_the_tracks_that_are_asked_for(self):
        trace = self.trace(self.story(), "--tracks", "g,fd")
        names = {trace.name_of(uuid).split("/")[1] for uuid in trace.tracks if "/" in trace.name_of(uuid)}
        self.assertEqual(names & {"Goroutines", "Ps", "fds"}, {"Goroutines", "fds"})
        self.assertFalse(any(name.startswith("thread") for name in names))
        done = tool("export", self.story(), "-f", "perfetto", "--tracks", "cpu", ok=2)
        self.assertIn(b"one of: g p m fd", done.stderr)

    def test_the_trace_processor_agrees(self):
        shell = os.environ.get("TRACE_PROCESSOR") or shutil.which("trace_processor_shell")
        if not shell:
            self.skipTest("no trace_processor_shell here")
        out, _ = self.export(self.story(), "perfetto")
        with open(self.path("q.sql"), "w", encoding="utf-8") as file:
            file.write(SQL)
        done = subprocess.run([shell, "-q", self.path("q.sql"), out], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        ours = perfetto.Trace(out, PROTOS)
        rows = [line.replace('"', "").split(",") for line in done.stdout.splitlines()]
        self.assertIn(["slice", str(len(ours.slices) + len(ours.instants)),
                       str(sum(s[3] - s[2] for s in ours.slices))], rows)
        self.assertIn(["unended", "0"], rows)
        self.assertFalse([row for row in rows if row[0] == "stats"])


class Chrome(Export):
    def document(self, source):
        out, _ = self.export(source, "chrome")
        with open(out, encoding="utf-8") as file:
            return json.load(file)

    def test_slices_and_arrows_are_where_the_events_are(self):
        document = self.document(self.story())
        events = document["traceEvents"]
        names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
        groups = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
        place, = (key for key, name in names.items() if name == "G7")
        self.assertEqual(groups[place[0]], "server (pid 41): goroutines")
        slices = sorted((e["ts"], e["name"], e["dur"]) for e in events if (e["pid"], e["tid"]) == place and e["ph"] == "X")
        # However a reader adds and subtracts doubles, what follows begins after the end.
        for (begin, _, duration), (following, _, _) in zip(slices, slices[1:]):
            self.assertTrue(0 < following - begin - duration < 0.0002, (begin, duration, following))
        slices = [(begin, name, round(duration, 3)) for begin, name, duration in slices]
        self.assertEqual(slices, [(0.2, "runnable", 0.1), (0.3, "run", 1.0), (1.3, "park", 4.3), (5.6, "runnable", 0.4),
                                  (6.0, "run", 1.0), (7.0, "park", 2.0), (9.0, "runnable", 0.5), (9.5, "run", 0.4)])
        peers = {e["args"].get("peer") for e in events if e["ph"] == "X" and e["name"] == "park"}
        self.assertIn("unix:/" + scenario.HOSTILE, peers)
        begins = {e["id"]: e["ts"] for e in events if e["ph"] == "s"}
        ends = {e["id"]: e["ts"] for e in events if e["ph"] == "f"}
        self.assertIn((1.3, 6.0), {(begins[i], ends[i]) for i in ends if i in begins})
        self.assertEqual(document["otherData"]["lost"], "0")
        for event in events:
            self.assertIn(event["ph"], "XMisfC")
            self.assertGreaterEqual(event.get("dur", 0), 0)

    def test_no_event_one_and_what_is_lost(self):
        self.assertEqual(self.document(self.recorded([scenario.meta(), scenario.end(0)]))["otherData"]["events"], "0")
        lost = {"type": "lost", "time_ns": START + 300, "count": 12, "cpu": None, "where": "ring"}
        document = self.document(self.recorded([scenario.meta(), scenario.run(100, 7), lost, scenario.end(1, 12)]))
        self.assertEqual(document["otherData"]["lost"], "12")
        self.assertEqual([e["args"]["truncated"] for e in document["traceEvents"] if e["ph"] == "X"], [True, True])


class Folded(Export):
    def test_waits_of_a_trace_by_program_labels_and_peer(self):
        out, _ = self.export(self.story(), "folded")
        with open(out, encoding="utf-8") as file:
            lines = file.read().split("\n")
        self.assertEqual(lines.pop(), "")
        counts = {}
        for line in lines:
            stack, _, count = line.rpartition(" ")
            counts[tuple(stack.split(";"))] = int(count)
        self.assertEqual(sorted(counts.values()), [1_800, 19_000])
        (network,) = (stack for stack, count in counts.items() if count == 19_000)
        self.assertEqual((network[0], network[-2], network[-1]), ("pid 70", "[::1]", "[park IO wait]"))
        self.assertEqual(len(network), 4)  # semicolons of labels separate nothing


class Speedscope(Export):
    def document(self, source):
        out, _ = self.export(source, "speedscope")
        with open(out, encoding="utf-8") as file:
            return json.load(file)

    def test_timelines_nest_and_waits_add_up(self):
        document = self.document(self.story())
        frames = [frame["name"] for frame in document["shared"]["frames"]]
        waits, *timelines = document["profiles"]
        self.assertEqual((waits["type"], waits["unit"], waits["endValue"]), ("sampled", "nanoseconds", 20_800))
        self.assertEqual(sum(waits["weights"]), 20_800)
        stacks = {frames[s[-1]]: (frames[s[0]], w) for s, w in zip(waits["samples"], waits["weights"], strict=True)}
        self.assertEqual(stacks, {"[park IO wait]": ("pid 70", 19_000), "[runnable]": ("pid 70", 1_800)})
        for timeline in timelines:
            open_frames, last = [], 0
            for event in timeline["events"]:
                self.assertGreaterEqual(event["at"], last)
                last = event["at"]
                if event["type"] == "O":
                    open_frames.append(event["frame"])
                else:
                    self.assertEqual(open_frames.pop(), event["frame"])
            self.assertEqual(open_frames, [])
            self.assertLessEqual(last, timeline["endValue"])
        self.assertIn("server pid 41 G7", [t["name"] for t in timelines])

    def test_what_is_lost_is_in_its_name(self):
        lost = {"type": "lost", "time_ns": START + 300, "count": 12, "cpu": None, "where": "ring"}
        self.assertEqual(self.document(self.recorded([scenario.meta(), lost, scenario.end(0, 12)]))["name"],
                         "server, 12 events lost")


@unittest.skipUnless(shutil.which("go"), "no go tool pprof here (package golang-go)")
class Pprof(Export):
    def pprof(self, path, *flags):
        done = subprocess.run(["go", "tool", "pprof", *flags, path], capture_output=True, text=True, timeout=120,
                              env={**os.environ, "PPROF_TMPDIR": self.folder})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_waits_of_a_trace_by_program_labels_and_peer(self):
        source = self.recorded([scenario.meta(), *scenario.story(),
                                {"type": "lost", "time_ns": START + 40_000, "count": 3, "cpu": 0, "where": "ring"},
                                scenario.end(20, 3)])
        out, _ = self.export(source, "pprof")
        raw = self.pprof(out, "-raw")
        self.assertIn("waits/count network/nanoseconds", raw.replace("[dflt]", ""))
        self.assertRegex(raw, r"\n +1 +19000 +1800: \d+ \d+ \d+")
        self.assertIn("[::1]", self.pprof(out, "-top"))
        self.assertIn("3 events lost", self.pprof(out, "-comments"))

    def test_a_snapshot_is_the_profile_that_snapshot_writes(self):
        document = {"schema": "netpoll-trace/snapshot/v1", "started_at": "2026-01-01T00:00:00.000Z",
                    "target": {"pid": 41, "comm": "server", "kind": "go", "exe": None, "runtime_version": "go1.22"},
                    "goroutines": [
                        {"goid": goid, "status": "waiting", "wait_reason": "IO wait", "wait_ns": 5_000_000_000, "fd": 7,
                         "mode": "read", "kind": "tcp", "peer": f"10.0.0.1:{goid}", "labels": {"role": "reader"},
                         "stack": [{"function": "net.(*conn).Read", "file": "/net.go", "line": 183, "pc": "0x4a0010",
                                    "inlined": False, "hidden": False},
                                   {"function": "main.main", "file": "/main.go", "line": 12, "pc": "0x500020",
                                    "inlined": False, "hidden": False}]} for goid in (17, 18)]}
        with open(self.path("snapshot.json"), "w", encoding="utf-8") as file:
            json.dump(document, file)
        out, _ = self.export(self.path("snapshot.json"), "pprof")
        raw = self.pprof(out, "-raw")
        self.assertRegex(raw, r"\n +2 +10000000000: 1 2")
        self.assertIn("role:[reader]", raw)
        out, _ = self.export(self.path("snapshot.json"), "folded")
        with open(out, encoding="utf-8") as file:
            self.assertEqual(file.read(), "server;main.main;net.(*conn).Read;[IO wait] 2\n")
        out, _ = self.export(self.path("snapshot.json"), "ndjson")
        with open(out, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        for goroutine, line in zip(document["goroutines"], lines[1:-1], strict=True):
            for name, value in goroutine.items():
                self.assertEqual(line[name], value)
        # And from lines to a document again.
        again, _ = self.export(out, "debug1")
        with open(again, encoding="utf-8") as file:
            self.assertIn("goroutine profile: total 2", file.read())


class Everything(Export):
    def test_trace_writes_perfetto_itself(self):
        if shutil.which("protoc") is None:
            self.skipTest("protoc is missing (package protobuf-compiler)")
        out = self.path("out.pftrace")
        done = tool("trace", "-f", "perfetto", "-o", out, "--", BINARY, "run", "echo", "--conns", "4", "--ops", "200",
                    "--backend", "none", ok=None)
        if done.returncode == 3:
            self.skipTest("no stream of events here: " + done.stderr.decode().splitlines()[0])
        self.assertEqual(done.returncode, 0, done.stderr)
        trace = perfetto.Trace(out, PROTOS)
        kinds = {s[1] for s in trace.slices}
        self.assertLessEqual({"park", "runnable", "run"}, kinds)
        self.assertTrue(any(len(flow) == 3 for flow in trace.flows.values()))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
