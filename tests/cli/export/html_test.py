#!/usr/bin/env python3
"""The page of -f html in a browser: html_test.py BINARY

It asks for nothing, complains of nothing, shows hostile names as text, filters, obeys the keyboard, and is drawn in
light and dark, on a screen and on a phone. NETPOLL_SCREENSHOTS names a folder for what was seen.
"""

import json
import os
import sys
import tempfile
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


@unittest.skipUnless(browser.program(), "no Chromium here (package chromium)")
class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.browser.requests.clear()
        self.browser.errors.clear()

    def open(self, lines):
        path = export(self.folder, lines)
        self.browser.requests.clear()
        self.browser.screen(1280, 900)
        self.browser.open(path)
        self.browser.evaluate("0")  # what came meanwhile is noted
        self.assertEqual(self.browser.errors, [])
        self.assertEqual([r for r in self.browser.requests if not r.startswith("data:")], ["file://" + path])
        return path

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
        pictures = set()
        for name, size, scheme, mobile in (("light", (1280, 900), "light", False), ("dark", (1280, 900), "dark", False),
                                           ("phone", (390, 844), "light", True)):
            self.browser.screen(*size, scheme, mobile)
            self.assertGreater(self.browser.evaluate(COLOURS % "#timeline"), 4)
            # Nothing sticks out at the side.
            self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"), size[0])
            pictures.add(self.keep(name))
        self.assertEqual(len(pictures), 3)

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


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
