#!/usr/bin/env python3
"""The pages of -f html in a browser: html_test.py BINARY

It asks for nothing, complains of nothing, shows hostile names as text, filters, obeys the keyboard, and is drawn in
light and dark, on a screen and on a phone. NETPOLL_SCREENSHOTS names a folder for what was seen.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser  # noqa: E402
import scenario  # noqa: E402

BINARY = sys.argv[1]
tool = scenario.Tool(BINARY)
# How many different colours a canvas has.
COLOURS = """(() => { const c = document.querySelector('%s');
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, seen = new Set();
  for (let i = 0; i < d.length; i += 4) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
  return seen.size; })()"""


def export(folder, lines):
    source, out = os.path.join(folder, "in.ndjson"), os.path.join(folder, "out.html")
    scenario.write(source, lines)
    tool("export", source, "-f", "html", "-o", out)
    return out


def many(count):
    """An echo server with 40 connections."""
    for i in range(count):
        goid, at = i // 4 % 40 + 1, i * 1000
        fd = goid + 4
        yield (scenario.run(at, goid), scenario.park(at, goid, fd, f"10.0.0.{goid % 7}:{4000 + goid}"),
               scenario.ready(at, goid, fd), dict(scenario.run(at, goid), fd=fd, fd_kind="tcp", local="127.0.0.1:80",
                                                 peer=f"10.0.0.{goid % 7}:{4000 + goid}", network_wait_ns=1000 + i,
                                                 cpu_wait_ns=700))[i % 4]


class InBrowser(scenario.InFolder):
    @classmethod
    def setUpClass(cls):
        if browser.program() is None:
            raise unittest.SkipTest("no Chromium here (package chromium)")
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    def load(self, path):
        self.browser.requests.clear()
        self.browser.errors.clear()
        self.browser.screen(1280, 900)
        self.browser.open(path)
        self.browser.evaluate("0")  # what came meanwhile is noted
        self.assertEqual(self.browser.errors, [])
        self.assertEqual([r for r in self.browser.requests if not r.startswith("data:")], ["file://" + path])
        return path

    def text(self, selector):
        return self.browser.evaluate(f"document.querySelector('{selector}').textContent")

    def in_light_dark_and_on_a_phone(self, name, seen):
        pictures = set()
        for kind, size, scheme, mobile in (("light", (1280, 900), "light", False), ("dark", (1280, 900), "dark", False),
                                           ("phone", (390, 844), "light", True)):
            self.browser.screen(*size, scheme, mobile)
            seen()
            # Nothing sticks out at the side.
            self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"), size[0])
            pictures.add(self.keep(name + kind))
        self.assertEqual(len(pictures), 3)

    def keep(self, name):
        picture = self.browser.screenshot()
        self.assertTrue(picture.startswith(b"\x89PNG"))
        if folder := os.environ.get("NETPOLL_SCREENSHOTS"):
            with open(os.path.join(folder, name + ".png"), "wb") as file:
                file.write(picture)
        return picture

    def rows(self, table):
        return self.browser.evaluate(f"[...document.querySelectorAll('#{table} tbody tr')].map((tr) => "
                                     "[...tr.children].map((td) => td.textContent))")


class Trace(InBrowser):
    def open(self, lines):
        return self.load(export(self.folder, lines))

    def story(self):
        events = scenario.story()
        labels = {"conn": scenario.HOSTILE}
        events = [dict(e, labels=labels) if e.get("goid") == 9 else e for e in events]
        return [scenario.meta(scenario.HOSTILE), *events, scenario.end(len(events))]

    def test_hostile_names_are_text(self):
        self.open(self.story())
        title = self.browser.evaluate("document.getElementById('title').textContent")
        self.assertEqual(title, "netpoll-trace: " + scenario.HOSTILE)
        self.assertEqual(self.browser.evaluate("document.scripts.length"), 2)
        self.assertIn("conn=" + scenario.HOSTILE, [row[-2] for row in self.rows("goroutines")])

    def test_waits_are_in_tables_and_histograms(self):
        self.open(self.story())
        row, = [r for r in self.rows("fds") if r[0] == "6"]
        self.assertEqual(row[2:7], ["1", "19.0 us", "19.0 us", "1.80 us", "1.80 us"])
        self.assertEqual([r[0] for r in self.rows("peers")], ["[::1]"])
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('#graph path').length"), 1)
        text = self.browser.evaluate("document.getElementById('histograms').textContent")
        self.assertIn("count 1,", text)

    def test_the_timeline_is_drawn_filtered_and_walked(self):
        self.open([scenario.meta(), *many(4000), scenario.end(4000)])
        self.assertGreater(self.browser.evaluate(COLOURS % "#timeline"), 4)
        self.assertGreater(self.browser.evaluate(COLOURS % ".histogram"), 2)
        shown = "document.getElementById('shown').textContent"
        everything = self.browser.evaluate(shown)
        self.browser.press("/")
        self.assertEqual(self.browser.evaluate("document.activeElement.id"), "filter")
        self.browser.type("g:17")
        self.assertTrue(self.browser.evaluate(shown).startswith("1 of "), self.browser.evaluate(shown))
        self.assertEqual([r[0] for r in self.rows("goroutines")], ["G17"])
        for text, rows in (("fd:9", 1), ("peer:10.0.0.3", 6), ("nobody", 0)):
            self.browser.evaluate("document.getElementById('filter').select()")
            self.browser.type(text)
            self.assertEqual(len(self.rows("goroutines" if text[0] == "p" else "fds")), rows, text)
        self.browser.press("Escape")
        self.assertEqual(self.browser.evaluate("document.activeElement.id"), "timeline")
        self.assertEqual(self.browser.evaluate(shown), everything)
        detail = "document.getElementById('detail').textContent"
        self.browser.press("n")
        self.assertRegex(self.browser.evaluate(detail), r"G1: (run|park|runnable) for ")
        before = self.browser.evaluate("document.getElementById('timeline').toDataURL()")
        self.browser.press("+")
        self.assertNotEqual(self.browser.evaluate("document.getElementById('timeline').toDataURL()"), before)
        self.assertEqual(self.browser.errors, [])

    def test_light_and_dark_screen_and_phone(self):
        self.open([scenario.meta(), *many(4000), scenario.end(4000)])
        self.in_light_dark_and_on_a_phone(
            "", lambda: self.assertGreater(self.browser.evaluate(COLOURS % "#timeline"), 4))

    def test_no_event_what_is_lost_and_what_is_cut_short(self):
        self.open([scenario.meta(), scenario.end(0)])
        self.assertEqual(self.browser.evaluate("document.getElementById('losses').textContent"), "")
        lost = {"type": "lost", "time_ns": scenario.START + 300, "count": 1200, "cpu": None, "where": "ring"}
        self.open([scenario.meta(), scenario.run(100, 7), lost])
        text = self.browser.evaluate("document.getElementById('losses').textContent")
        self.assertIn("1,200 events were lost", text)
        self.assertIn("cut short", text)

    def test_a_large_trace_stays_a_page_that_can_be_opened(self):
        path = self.open([scenario.meta(), *many(400_000), scenario.end(400_000)])
        self.assertLess(os.path.getsize(path), 12 << 20)
        text = self.browser.evaluate("document.getElementById('losses').textContent")
        self.assertIn("are not drawn; the figures below have them", text)
        rows = self.rows("goroutines")
        self.assertEqual(sum(int(row[2].replace(",", "")) for row in rows), 100_000)
        self.assertGreater(self.browser.evaluate(COLOURS % "#timeline"), 4)


class Documents(InBrowser):
    """Snapshots and results, written by -f html and by export of what was saved."""

    def open(self, document):
        source, out = self.path("in.json"), self.path("out.html")
        with open(source, "w", encoding="utf-8") as file:
            json.dump(document, file)
        tool("export", source, "-f", "html", "-o", out)
        return self.load(out)

    def table(self, title):
        """The rows under a heading, by the names of the columns."""
        return self.browser.evaluate(f"""(() => {{
          const part = [...document.querySelectorAll('section')].find((s) => s.querySelector(':scope > h2')?.textContent.startsWith('{title} ('));
          if (!part) return [];
          const names = [...part.querySelectorAll('thead th')].map((th) => th.textContent);
          return [...part.querySelectorAll('tbody tr:not(.more)')].map((tr) =>
            Object.fromEntries([...tr.children].map((td, i) => [names[i], td.textContent])));
        }})()""")

    def filter(self, text):
        self.browser.press("/")
        self.browser.evaluate("document.getElementById('filter').select()")
        self.browser.type(text)

    def test_a_snapshot_has_goroutines_stacks_and_who_waits_for_whom(self):
        server = subprocess.Popen([BINARY, "run", "idle", "--conns", "5", "--serve", "127.0.0.1:0", "--backend", "none",
                                   "-o", "/dev/null"], stderr=subprocess.PIPE, text=True)
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        pid, host, port = re.search(r"pid (\d+), listening on (.*):(\d+)", server.stderr.readline()).groups()
        clients = [socket.create_connection((host, int(port))) for _ in range(5)]
        for client in clients:
            self.addCleanup(client.close)
        deadline = time.monotonic() + scenario.PATIENCE
        while True:
            document = json.loads(tool("snapshot", "-p", pid, "--json").stdout)
            if len([g for g in document["goroutines"] if g["peer"]]) == 5 or time.monotonic() > deadline:
                break
        for how in ("live", "export"):
            out = self.path("live.html")
            if how == "live":
                tool("snapshot", "-p", pid, "-f", "html", "-o", out)
                self.load(out)
            else:
                self.open(document)
            rows = self.table("Goroutines")
            self.assertEqual({r["goid"] for r in rows}, {f"{g['goid']:,}" for g in document["goroutines"]})
            self.assertEqual(len([r for r in rows if r["peer"]]), 5)
            self.assertTrue(all(r["held by"].startswith("python3/") for r in rows if r["peer"]), rows)
            self.assertGreaterEqual(self.browser.evaluate("document.querySelectorAll('#graph path').length"), 1)
            # A stack opens, and is searched.
            self.assertGreater(self.browser.evaluate("document.querySelectorAll('td details').length"), 0)
            self.assertIn("accept_loop", self.text("td details span") + self.text("tbody"))
            goid = next(r["goid"] for r in rows if r["peer"])
            self.filter("g:" + goid)
            self.assertEqual([r["goid"] for r in self.table("Goroutines")], [goid])
            self.filter("nothing-like-it")
            self.assertEqual(self.table("Goroutines"), [])
            self.browser.press("Escape")
            self.assertEqual(len(self.table("Goroutines")), len(rows))
            self.assertEqual(self.browser.errors, [])
        self.in_light_dark_and_on_a_phone("snapshot-", lambda: self.assertEqual(len(self.table("Goroutines")), len(rows)))
        tool("snapshot", "-p", pid, "-p", str(os.getpid()), "-f", "html", ok=2)  # a page is of one process

    def test_a_result_has_its_figures_and_histograms(self):
        document = json.loads(tool("run", "echo", "--conns", "2", "--ops", "200", "--json").stdout)
        self.open(document)
        figures = {row["figure"]: row["value"] for row in self.table("Figures")}
        self.assertEqual(figures["operations"], "200")
        if document["syscalls"]:
            calls = {row["name"]: row["count"] for row in self.table("syscalls")}
            self.assertEqual(calls["epoll_ctl"], f"{document['syscalls']['epoll_ctl']['count']:,}")
            self.assertGreater(self.browser.evaluate(COLOURS % ".histogram"), 2)
        self.filter("epoll_ctl")
        self.assertEqual([row["name"] for row in self.table("syscalls")], ["epoll_ctl"] if document["syscalls"] else [])
        self.in_light_dark_and_on_a_phone("result-", lambda: None)

    def test_hostile_names_and_losses_of_a_document(self):
        document = json.loads(tool("run", "echo", "--conns", "1", "--ops", "10", "--backend", "none", "--json").stdout)
        document["target"]["comm"] = scenario.HOSTILE
        document["probe"]["lost"] = 1200
        document["interrupted"] = True
        self.open(document)
        self.assertIn(scenario.HOSTILE, self.text("#title"))
        self.assertEqual(self.browser.evaluate("document.scripts.length"), 2)
        self.assertIn("1,200 events were lost", self.text("#notes"))
        self.assertIn("interrupted", self.text("#notes"))

    def test_claims_are_cards_with_figures_verdicts_and_steps(self):
        out = self.path("claims.html")
        tool("claims", "runtime", "arming", "--html", "-o", out)
        self.load(out)
        self.assertEqual(self.browser.evaluate("[...document.querySelectorAll('.verdict')].map((v) => v.textContent)"),
                         ["holds", "holds"])
        card = self.text(".card:nth-of-type(2)")
        for part in ("The article", "EPOLLONESHOT", "In Go", "Done here", "times that interest was armed again"):
            self.assertIn(part, card)
        self.filter("oneshot")
        self.assertEqual(self.browser.evaluate("[...document.querySelectorAll('.card')].map((c) => c.hidden)"), [True, False])
        self.browser.press("Escape")
        self.in_light_dark_and_on_a_phone("claims-", lambda: None)

    def test_every_kind_of_document_opens(self):
        base = self.path("base.json")
        tool("run", "echo", "--conns", "1", "--ops", "50", "--json", "-o", base)
        pid = str(os.getpid())
        for words in (("compare", base, base), ("doctor",), ("epoll", "-p", pid), ("lint", "-p", pid),
                      ("snapshot", "--graph", "-p", pid), ("stat", "-p", pid, "-d", "100ms"),
                      ("run", "echo", "--ops", "50", "--trigger", "edge,level", "-r", "1"),
                      ("trace", "--summary", "-p", pid, "-d", "100ms")):
            with self.subTest(words=words[0]):
                out = self.path("out.html")
                done = subprocess.run([BINARY, *words, "-f", "html", "-o", out], capture_output=True, text=True,
                                      timeout=scenario.PATIENCE)
                self.assertIn(done.returncode, (0, 1, 3), done.stderr)
                if not os.path.exists(out):
                    print("skipped:", words[0], done.stderr.splitlines()[0])
                    continue
                self.load(out)
                self.assertGreater(self.browser.evaluate("document.querySelectorAll('section').length"), 0)
                os.unlink(out)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
