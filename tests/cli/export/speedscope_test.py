#!/usr/bin/env python3
"""Exported traces in speedscope, the viewer itself: speedscope_test.py BINARY FOLDER

npm's package is installed into FOLDER once and opened in Chromium. What it understood is what its own Export button
saves: totals and names have to be those of the trace. Skipped, aloud, without npm, its registry or Chromium.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import browser  # noqa: E402
import scenario  # noqa: E402
from checks import check, exit_status  # noqa: E402

BINARY, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
VERSION = "1.25.0"
SKIPPED = 77
tool = scenario.Tool(BINARY)

# What the page gives to be saved is kept for us.
CATCH = """window.saved = null;
const original = URL.createObjectURL;
URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; }); return original.call(URL, blob); };
window.alert = (text) => console.error('alert: ' + text);"""
EXPORT = """(() => { const button = [...document.querySelectorAll('div, a, button')].find(
  (e) => e.children.length < 3 && e.textContent.replace(/[^A-Za-z]/g, '') === 'Export');
  if (button) button.click(); return Boolean(button); })()"""


def installed():
    if not shutil.which("npm"):
        return "npm is not installed"
    if not (FOLDER / "node_modules/speedscope/dist/release/index.html").is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "package.json").write_text("{}")
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"speedscope@{VERSION}"],
                              cwd=FOLDER, capture_output=True, text=True)
        if done.returncode != 0:
            return "npm could not install speedscope: " + done.stderr.strip()[-200:]
    return None if browser.program() else "no Chromium here (package chromium)"


class Viewer:
    def __init__(self, folder):
        self.browser = browser.Browser()
        self.browser.call("Page.addScriptToEvaluateOnNewDocument", source=CATCH)
        self.folder = folder
        self.page = FOLDER.resolve() / "node_modules/speedscope/dist/release/index.html"

    def understood(self, path):
        """What it saves again of a file that it opened; all that it complained of."""
        script = os.path.join(self.folder, os.path.basename(path) + ".js")
        with open(path, "rb") as file:
            content = base64.b64encode(file.read()).decode()
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"speedscope.loadFileFromBase64({json.dumps(os.path.basename(path))}, {json.dumps(content)});")
        self.browser.open("/dev/null")  # the same address again would load nothing
        self.browser.errors.clear()
        self.browser.open(f"{self.page}#localProfilePath={script}")
        self.browser.until("document.title.includes(' - speedscope') || document.body.textContent.includes('went wrong')")
        self.browser.until(EXPORT)
        self.browser.until("window.saved !== null")
        return json.loads(self.browser.evaluate("window.saved")), list(self.browser.errors)


def scale_of(profile):
    """ns of one of its unit."""
    return {"nanoseconds": 1, "microseconds": 1000, "milliseconds": 1e6, "none": 1}[profile["unit"]]


def totals(document):
    """From begin to end of each profile, in ns. It saves samples as spans, one after the other."""
    return [round((p["endValue"] - p["startValue"]) * scale_of(p)) for p in document["profiles"]]


def spans(document, name):
    """Of the profile of that name: (frame, begin, end) in ns of each span."""
    profile = next(p for p in document["profiles"] if p["name"] == name)
    scale, frames, open_ones, found = scale_of(profile), document["shared"]["frames"], [], []
    for event in profile["events"]:
        if event["type"] == "O":
            open_ones.append((frames[event["frame"]]["name"], event["at"] * scale))
        else:
            frame, begin = open_ones.pop()
            found.append((frame, round(begin), round(event["at"] * scale)))
    return sorted(found, key=lambda span: span[1])


def speedscope(viewer, source, folder):
    path = os.path.join(folder, "trace.speedscope.json")
    tool("export", source, "-f", "speedscope", "-o", path)
    with open(path, encoding="utf-8") as file:
        ours = json.load(file)
    seen, errors = viewer.understood(path)
    check(errors == [], "speedscope opens its own format without a complaint", errors)
    check([p["name"] for p in seen["profiles"]] == [p["name"] for p in ours["profiles"]], "with every profile")
    check(seen["profiles"][0]["unit"] == "nanoseconds", "in nanoseconds", seen["profiles"][0]["unit"])
    check(totals(seen)[0] == 20_800, "the waits add up", totals(seen))
    for name in ("server pid 41 G7", "server pid 41 G8"):
        check(spans(seen, name) == spans(ours, name) != [], f"{name} has the same spans", spans(seen, name))


def chrome(viewer, source, folder):
    path = os.path.join(folder, "trace.json")
    tool("export", source, "-f", "chrome", "-o", path)
    seen, errors = viewer.understood(path)
    check(errors == [], "it opens trace events without a complaint", errors)
    goroutine = next((p["name"] for p in seen["profiles"] if "G7" in p["name"]), None)
    check(goroutine is not None, "goroutines are its threads", [p["name"] for p in seen["profiles"]])
    if goroutine is None:
        return
    # G7 parks at 1300 until 5600, and at 7000 until 9000.
    found = [(frame.split()[0], end - begin) for frame, begin, end in spans(seen, goroutine)]
    check([length for frame, length in found if frame == "park"] == [4300, 2000], "its parks are as long as they were",
          found)


def folded(viewer, source, folder):
    path = os.path.join(folder, "trace.folded.txt")
    tool("export", source, "-f", "folded", "-o", path)
    with open(path, encoding="utf-8") as file:
        ours = sum(int(line.rsplit(" ", 1)[1]) for line in file)
    seen, errors = viewer.understood(path)
    check(errors == [], "it opens folded stacks without a complaint", errors)
    check(totals(seen) == [ours] == [20_800], "and skips none of them", totals(seen))


def pprof(viewer, source, folder):
    path = os.path.join(folder, "trace.pb.gz")
    tool("export", source, "-f", "pprof", "-o", path)
    seen, errors = viewer.understood(path)
    check(errors == [], "it opens a profile without a complaint", errors)
    check(totals(seen) == [19_000], "with all that was waited for the network, its default", totals(seen))


def main():
    if reason := installed():
        print("SKIPPED:", reason)
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "in.ndjson")
        events = scenario.story()
        scenario.write(source, [scenario.meta(), *events, scenario.end(len(events))])
        viewer = Viewer(folder)
        try:
            for test in (speedscope, chrome, folded, pprof):
                test(viewer, source, folder)
        finally:
            viewer.browser.close()
    return exit_status()


sys.exit(main())
