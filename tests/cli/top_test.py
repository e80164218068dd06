#!/usr/bin/env python3
"""top on real terminals: top_test.py BINARY GO_BUILDS SCHEMA_DIR

tmux, which is not ours, is the terminal: it says what stands on the screen, and whether it was left as it was found. A
pseudo-terminal of Python's is one that vanishes, and counts the bytes.
"""

import contextlib
import functools
import ctypes
import fcntl
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import programs  # noqa: E402
from checks import strict  # noqa: E402

BINARY, GO_BUILDS, SCHEMAS = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
PATIENCE = 40
until = functools.partial(programs.until, seconds=PATIENCE)
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "HOME": "/nonexistent"}


@contextlib.contextmanager
def process(*arguments, **options):
    child = subprocess.Popen(arguments, **options)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream:
                stream.close()


@contextlib.contextmanager
def idle_server(connections):
    """A libruntime program with so many connections; gives its pid."""
    with process(BINARY, "run", "idle", "--conns", str(connections), "--duration", "10m", "--backend", "none",
                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        pid = int(re.search(r"pid (\d+)", child.stderr.readline()).group(1))

        def all_wait():
            done = subprocess.run([BINARY, "snapshot", "-p", str(pid), "--json", "--state", "ESTABLISHED"],
                                  capture_output=True, timeout=PATIENCE)
            return done.returncode == 0 and json.loads(done.stdout)["matching"] == connections
        until(all_wait, "its connections")
        yield pid


def top(*arguments, **options):
    return subprocess.run([BINARY, "top", *arguments], capture_output=True, text=True, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, env=options.pop("env", ENVIRONMENT), **options)


class Tmux:
    """A terminal of its own server, with a shell in it."""

    def __init__(self, width=80, height=24):
        self.folder = tempfile.mkdtemp(prefix="top_test.")
        self.base = ["tmux", "-u", "-S", self.folder + "/socket", "-f", "/dev/null"]
        self.tmux("new-session", "-d", "-x", str(width), "-y", str(height), "env", "PS1=shell>", "sh", "-i")
        self.shows("shell>")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.tmux("kill-server")
        shutil.rmtree(self.folder)

    def tmux(self, *arguments):
        return subprocess.run([*self.base, *arguments], capture_output=True, text=True, timeout=PATIENCE,
                              env=ENVIRONMENT, check=True).stdout

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def line(self, text):
        self.tmux("send-keys", "-l", text)
        self.keys("Enter")

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def lines(self):
        return self.screen().split("\n")[:-1]

    def shows(self, pattern):
        return until(lambda: re.search(pattern, self.screen()), lambda: f"{pattern}\n{self.screen()}")

    def shows_not(self, pattern):
        until(lambda: not re.search(pattern, self.screen()), lambda: f"gone: {pattern}\n{self.screen()}")

    def state(self):
        """What the program in it made of the terminal."""
        return self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{keypad_cursor_flag} #{keypad_flag}")

    def resize(self, width, height):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def child(self):
        """The pid of the top that runs in it."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        def find():
            for folder in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    stat = (folder / "stat").read_text()
                    if stat.rsplit(")", 1)[1].split()[1] == shell and f"({Path(BINARY).name})" in stat:
                        return int(folder.name)
            return None
        return until(find, "a top in the terminal")

    def start(self, *arguments):
        self.line(" ".join([BINARY, "top", *arguments]))
        self.shows(r"netpoll-trace top  \d\d:\d\d:\d\d")


@unittest.skipUnless(shutil.which("tmux"), "there is no tmux")
class OnTmux(unittest.TestCase):
    def test_goroutines_are_shown_on_80_by_24_and_any_other_size(self):
        with idle_server(30) as pid, Tmux() as terminal:
            terminal.start("-p", str(pid), "--backend", "none")
            terminal.shows(r"IO wait")
            lines = terminal.lines()
            self.assertEqual(len(lines), 24)
            self.assertRegex(lines[0], rf"every 1s .* {pid}")
            self.assertRegex(lines[1], r"goroutines \d+: IO wait 3\d.*threads")
            self.assertRegex(lines[23], r"h help.*q quit")
            rows = [line for line in lines if re.match(r" +\d+ IO wait", line)]
            self.assertGreaterEqual(len(rows), 16)
            for width, height in ((120, 40), (20, 5), (7, 2), (200, 50), (80, 24)):
                terminal.resize(width, height)
                until(lambda: len(terminal.lines()) == height and self.fits(terminal, width, height),
                      lambda: f"{width}x{height}\n{terminal.screen()}")
            terminal.keys("q")
            terminal.shows("shell>")
            self.assertEqual(terminal.state().strip(), "0 1 0 0")

    @staticmethod
    def fits(terminal, width, height):
        lines = terminal.lines()
        if height >= 24:  # drawn for this width: the footer is the last line and the heading as wide as the screen
            return lines[-1].startswith("h help") and any("GOID" in line for line in lines)
        return height == 2 or lines[-1].startswith("h help")

    def test_views_sorting_filter_freeze_and_details_work_by_key(self):
        with idle_server(12) as pid, Tmux(100, 30) as terminal:
            terminal.start("-p", str(pid), "-i", "200ms", "--backend", "none")
            terminal.shows("by goroutine")
            for key, name in (("2", "peer"), ("3", "fd"), ("4", "stack"), ("5", "func"), ("6", "state"), ("7", "thread"),
                              ("8", "process"), ("v", "goroutine"), ("V", "process"), ("1", "goroutine")):
                terminal.keys(key)
                terminal.shows(rf"by {name} ")
                terminal.shows_not("there is nothing")
            terminal.keys(">")
            terminal.shows("sort delta")
            terminal.keys("<", "r")
            terminal.shows(r"sort wait \(smallest first\)")
            terminal.keys("/")
            terminal.line("establ")
            terminal.shows(r'filter "establ".* of 12 \(13 in all\)')
            terminal.keys("s")
            terminal.shows("FROZEN")
            frozen = terminal.screen()
            time.sleep(0.7)  # three looks that must not show
            self.assertEqual(terminal.screen(), frozen)
            terminal.keys("s")
            terminal.shows_not("FROZEN")
            until(lambda: terminal.lines()[0] != frozen.split("\n")[0], "the clock goes on")
            terminal.keys("Enter")
            terminal.shows("details")
            terminal.shows(r"peer +127\.0\.0\.1:\d+")
            terminal.shows(rf"peer process +{Path(BINARY).name} \d+, fd \d+")
            terminal.keys("End")
            terminal.shows("history of wait_ns")
            terminal.keys("Escape")
            terminal.shows("by goroutine")
            terminal.keys("h")
            terminal.shows("netpoll-trace top: help")
            terminal.keys("q")
            terminal.shows("by goroutine")
            terminal.keys("C-c")
            terminal.shows("shell>")
            terminal.line("echo status $?")
            terminal.shows("status 130")

    def test_signals_and_crashes_leave_the_terminal_as_it_was(self):
        with idle_server(3) as pid, Tmux() as terminal:
            terminal.line("stty -a > " + terminal.folder + "/before; echo before")
            terminal.shows("before")
            before_state = terminal.state()
            for name, status in (("TERM", 143), ("INT", 130), ("HUP", 129), ("SEGV", 139), ("ABRT", 134), ("QUIT", 131)):
                terminal.line("clear; echo here was text")
                terminal.shows("(?m)^here was text\nshell>$")
                terminal.line(f"ulimit -c 0; {BINARY} top -p {pid} --backend none; echo ended with $?")
                terminal.shows("IO wait")
                os.kill(terminal.child(), getattr(signal, "SIG" + name))
                terminal.shows(f"ended with {status}")
                terminal.shows("(?m)^here was text")  # the screen beside the alternate one
                self.assertEqual(terminal.state(), before_state, name)
                terminal.line("stty -a > " + terminal.folder + "/after; echo compared")
                terminal.shows("(?m)^compared")
                self.assertEqual(Path(terminal.folder, "after").read_text(), Path(terminal.folder, "before").read_text())

    def test_it_can_be_stopped_and_goes_on(self):
        with idle_server(3) as pid, Tmux() as terminal:
            terminal.start("-p", str(pid), "--backend", "none")
            terminal.keys("C-z")
            terminal.shows("shell>")
            self.assertEqual(terminal.state().split()[0:2], ["0", "1"])
            terminal.resize(100, 30)
            terminal.line("fg")
            terminal.shows("by goroutine")
            until(lambda: terminal.lines()[-1].startswith("h help"), terminal.screen)
            terminal.keys("q")
            terminal.shows(r"shell>\s*$")

    def test_names_of_others_cannot_drive_the_terminal(self):
        source = """
import ctypes, sys, time
ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)
print(flush=True)
time.sleep(600)
"""
        for name in (b"\x1b[2J\x1b]0;x\x07", "世蓮世蓮".encode(), "\u202eabc".encode(), b"\xff\n\r\t x", b"e\xcc\x81"):
            with process("/usr/bin/python3", "-S", "-c", source, name.hex(), stdout=subprocess.PIPE) as child, \
                    Tmux() as terminal:
                child.stdout.readline()
                terminal.start("-p", str(child.pid), "--backend", "none")
                terminal.shows("by thread")
                terminal.shows(rf"{child.pid}")
                lines = terminal.lines()
                self.assertEqual(len(lines), 24)
                self.assertRegex(lines[23], "^h help")
                self.assertIn("netpoll-trace top", lines[0])
                self.assertNotIn("x", terminal.tmux("display-message", "-p", "#{pane_title}").strip().split())
                terminal.keys("q")
                terminal.shows("shell>")

    def test_what_was_seen_last_stays_when_the_process_ends(self):
        with Tmux() as terminal:
            with idle_server(4) as pid:
                terminal.start("-p", str(pid), "-i", "100ms", "--backend", "none")
                terminal.shows("IO wait")
            terminal.shows("ENDED")
            terminal.shows("IO wait")
            terminal.keys("q")
            terminal.shows("shell>")


class Pty:
    """top on a pseudo-terminal of ours."""

    def __init__(self, *arguments, width=80, height=24, before=None, **environment):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.modes = termios.tcgetattr(self.slave)

        def begin():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if before:
                before()

        self.process = subprocess.Popen([BINARY, "top", *arguments], stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, env={**ENVIRONMENT, **environment}, preexec_fn=begin)
        self.bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()
        for end in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(end)

    def read(self, seconds):
        """All that comes within that time."""
        got = b""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                with contextlib.suppress(OSError):
                    got += os.read(self.master, 65536)
        self.bytes += got
        return got

    def shows(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.bytes:
            if time.monotonic() > deadline:
                raise AssertionError(f"never: {text}\n{self.bytes}")
            self.read(0.05)

    def ends(self):
        def ended():
            self.read(0.05)
            return self.process.poll() is not None
        until(ended, "the end")
        return self.process.returncode


class OnPty(unittest.TestCase):
    def test_a_terminal_that_vanishes_ends_it_even_where_hangups_are_ignored(self):
        with idle_server(2) as pid:
            for before in (None, lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)):
                with Pty("-p", str(pid), "--backend", "none", before=before) as terminal:
                    terminal.shows(b"IO wait")
                    os.close(terminal.slave)
                    os.close(terminal.master)
                    self.assertEqual(terminal.process.wait(timeout=PATIENCE), 3 if before else 129)

    def test_a_second_signal_ends_it_while_the_terminal_takes_nothing(self):
        with idle_server(2) as pid, Pty("-p", str(pid), "-i", "10ms", "--backend", "none", width=300,
                                        height=100) as terminal:
            terminal.shows(b"IO wait")
            self.assertNotEqual(termios.tcgetattr(terminal.slave), terminal.modes)
            termios.tcflow(terminal.slave, termios.TCOOFF)  # as Ctrl-S

            def killed():
                if terminal.process.poll() is None:
                    terminal.process.send_signal(signal.SIGTERM)
                    time.sleep(0.4)  # a second one at once is the echo of the first
                return terminal.process.poll() is not None
            until(killed, "the end")
            self.assertIn(terminal.process.returncode, (-signal.SIGTERM, 143))
            self.assertEqual(termios.tcgetattr(terminal.slave), terminal.modes)

    def test_a_look_sends_what_changed_and_never_clears_the_screen(self):
        with idle_server(100) as pid, Pty("-p", str(pid), "-i", "200ms", "--by", "peer", "--backend", "none") as terminal:
            terminal.shows(b"q quit")
            terminal.read(1)
            later = terminal.read(2)
            self.assertGreater(len(later), 0)
            for clear in (b"\x1b[2J", b"\x1b[H\x1b[J", b"\x1b[3J"):
                self.assertNotIn(clear, later)
            self.assertLess(len(later) / 10, 500)  # of the 1,920 characters of the screen

    def test_no_color_means_none(self):
        with idle_server(2) as pid:
            for arguments, environment, colour in (((), {}, True), ((), {"NO_COLOR": "1"}, False),
                                                   (("--color", "never"), {}, False)):
                with Pty("-p", str(pid), "--backend", "none", *arguments, **environment) as terminal:
                    terminal.shows(b"q quit")
                    os.write(terminal.master, b"s")  # the word FROZEN is yellow
                    terminal.shows(b"FROZEN")
                    terminal.read(0.2)
                    self.assertEqual(re.search(rb"\x1b\[[0-9;]*3[0-7]m", terminal.bytes) is not None, colour)
                    os.write(terminal.master, b"q")
                    self.assertEqual(terminal.ends(), 0)

    def test_without_utf8_everything_is_ascii(self):
        with idle_server(2) as pid, Pty("-p", str(pid), "--backend", "none", LC_ALL="C") as terminal:
            terminal.shows(b"q quit")
            terminal.read(0.5)
            self.assertTrue(terminal.bytes.isascii())

    def test_it_ends_after_so_many_looks_or_so_long(self):
        with idle_server(2) as pid:
            for arguments in (("-n", "2", "-i", "50ms"), ("-d", "300ms")):
                with Pty("-p", str(pid), "--backend", "none", *arguments) as terminal:
                    self.assertEqual(terminal.ends(), 0)

    def test_what_is_no_terminal_to_draw_on_is_refused_with_a_hint(self):
        with idle_server(2) as pid:
            for name in ("dumb", "no-such-terminal", ""):
                with Pty("-p", str(pid), "--backend", "none", TERM=name) as terminal:
                    self.assertEqual(terminal.ends(), 3, name)
                    terminal.read(0.2)
                    self.assertRegex(terminal.bytes, rb"cannot be drawn on\r\n.*hint.*top -b")
            refused = top("-p", str(pid))
            self.assertEqual(refused.returncode, 2)
            self.assertRegex(refused.stderr, r"(?s)standard output is no terminal.*top -b")


class WithoutScreen(unittest.TestCase):
    def judge(self, document):
        schema = json.loads((SCHEMAS / "top.json").read_text())
        jsonschema.Draft202012Validator(strict(schema), format_checker=jsonschema.FormatChecker()).validate(document)

    @staticmethod
    def documents(text):
        decoder, at, found = json.JSONDecoder(), 0, []
        while at < len(text):
            document, at = decoder.raw_decode(text, at)
            found.append(document)
            at = len(text) - len(text[at:].lstrip())
        return found

    def test_batch_needs_no_terminal_and_no_term(self):
        with idle_server(5) as pid:
            done = top("-p", str(pid), "-b", "-n", "2", "-i", "50ms", "--by", "state", "--backend", "none",
                       env={"PATH": os.environ["PATH"]})
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(len(re.findall(r"(?m)^count", done.stdout)), 2)
            self.assertTrue(done.stdout.isascii())

    def test_every_view_is_a_document_of_the_schema(self):
        with idle_server(7) as pid:
            for view in ("goroutine", "peer", "fd", "stack", "func", "state", "thread", "process", "label:none"):
                done = top("-p", str(pid), "--json", "-n", "2", "-i", "50ms", "--by", view, "--backend", "none")
                self.assertEqual(done.returncode, 0, done.stderr)
                looks = self.documents(done.stdout)
                self.assertEqual([look["look"] for look in looks], [1, 2])
                for look in looks:
                    self.judge(look)
                    self.assertEqual(look["by"], view)
                self.assertEqual(looks[0]["matching"] > 0, view != "label:none", view)
            self.assertIsNone(looks[0]["processes"][0]["cpu_percent"])
            self.assertIsNotNone(looks[1]["processes"][0]["cpu_percent"])

    def test_ndjson_has_a_first_and_a_last_line_for_each_look(self):
        with idle_server(3) as pid:
            done = top("-p", str(pid), "-f", "ndjson", "-n", "3", "-i", "50ms", "--backend", "none")
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual([line["type"] for line in lines], ["meta", "end"] * 3)
            self.judge({name: value for line in lines[:2] for name, value in line.items() if name != "type"})

    def test_the_rows_agree_with_a_snapshot(self):
        with idle_server(40) as pid:
            snapshot = json.loads(subprocess.run([BINARY, "snapshot", "-p", str(pid), "--json"], capture_output=True,
                                                 check=True, timeout=PATIENCE).stdout)
            look = json.loads(top("-p", str(pid), "--json", "-n", "1", "--io-wait", "--backend", "none").stdout)
            of = lambda rows: {(row["goid"], row["fd"], row["peer"], row["tcp_state"]) for row in rows}  # noqa: E731
            self.assertEqual(of(look["rows"]), of(snapshot["goroutines"]))
            filtered = json.loads(top("-p", str(pid), "--json", "-n", "1", "--state", "LISTEN", "--backend", "none").stdout)
            self.assertTrue(all(row["tcp_state"] == "LISTEN" for row in filtered["rows"]))
            one = json.loads(top("-p", str(pid), "--json", "-n", "1", "--top", "1", "--backend", "none").stdout)
            self.assertEqual(len(one["rows"]), 1)
            self.assertGreaterEqual(one["matching"], 40)

    @unittest.skipUnless(shutil.which("strace"), "there is no strace")
    def test_only_what_a_view_shows_is_looked_up_of_descriptors(self):
        connections, looks = 100, 3
        with idle_server(connections) as pid, tempfile.TemporaryDirectory() as folder:
            def links_read(view):
                """How many links of descriptors, and of which processes."""
                log = folder + "/calls"
                done = subprocess.run(["strace", "-f", "-qq", "-y", "-o", log, "-e", "trace=readlinkat", BINARY, "top", "-p",
                                       str(pid), "-b", "-n", str(looks), "-i", "10ms", "--by", view, "--backend", "none"],
                                      capture_output=True, text=True, timeout=PATIENCE, env=ENVIRONMENT)
                self.assertEqual(done.returncode, 0, done.stderr)
                owners = re.findall(r"readlinkat\(\d+</proc/(\d+)/fd>", Path(log).read_text())
                return len(owners), set(owners)
            for view in ("thread", "process"):
                count, _ = links_read(view)
                self.assertLess(count, connections, view)
            for view in ("goroutine", "peer", "fd"):
                count, owners = links_read(view)
                self.assertGreaterEqual(count, looks * connections, view)
                self.assertEqual(owners, {str(pid)}, "peers of all rows were looked up")

    def test_it_ends_with_the_process_and_with_its_reader(self):
        with process("sleep", "1") as sleeper:
            done = top("-p", str(sleeper.pid), "-b", "-i", "50ms", "--backend", "none")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("has ended", done.stderr)
        with process("sleep", "600") as sleeper:
            with process(BINARY, "top", "-p", str(sleeper.pid), "-b", "-i", "20ms", "--backend", "none",
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
                child.stdout.readline()
                child.stdout.close()
                child.stdout = None
                self.assertEqual(child.wait(timeout=PATIENCE), 3)
            for name, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
                with process(BINARY, "top", "-p", str(sleeper.pid), "-f", "ndjson", "--backend", "none",
                             stdout=subprocess.PIPE) as child:
                    child.stdout.readline()
                    child.stdout.readline()
                    child.send_signal(name)
                    self.assertEqual(child.wait(timeout=PATIENCE), status)

    def test_mistakes_are_named(self):
        me = str(os.getpid())
        for arguments, status, words in (
                ((), 2, "needs a process"),
                (("-p", me, "-b", "--by", "goroutins"), 2, "did you mean"),
                (("-p", me, "-b", "--by", "thread", "--sort", "wait"), 2, "--sort does not know"),
                (("-p", me, "-b", "--by", "stack", "-n", "1", "--backend", "none"), 3, "--by fd, peer, thread"),
                (("-p", me, "-f", "csv"), 2, "one look after the other"),
                (("-p", me, "-b", "--backend", "ptrace"), 2, "stops the target"),
                (("-p", me, "-b", "-i", "0"), 2, "--interval"),
                (("-p", me, "-b", "-n", "0"), 2, "--iterations"),
                (("-p", "99999999", "-b"), 2, "pid"),
                (("--comm", "no-such-name", "-b"), 3, "no process is called")):
            done = top(*arguments)
            self.assertEqual(done.returncode, status, (arguments, done.stderr))
            self.assertRegex(done.stderr, words)
            self.assertIn("hint", done.stderr)

    def test_threads_say_their_system_call(self):
        with process("sleep", "600") as sleeper:
            stat = Path(f"/proc/{sleeper.pid}/stat")
            until(lambda: stat.read_text(encoding="ascii").startswith(f"{sleeper.pid} (sleep) S"), "sleep sleeps")
            look = json.loads(top("-p", str(sleeper.pid), "--json", "-n", "1", "--backend", "none").stdout)
            self.assertEqual(look["by"], "thread")
            row = look["rows"][0]
            self.assertEqual((row["key"], row["tid"]), ("sleep", sleeper.pid))
            self.assertIn("nanosleep", row["state"])

    def test_a_busy_thread_has_the_cpu_that_the_kernel_says(self):
        with process("sh", "-c", "while :; do :; done") as spinner:
            looks = self.documents(top("-p", str(spinner.pid), "--json", "-n", "2", "-i", "1s", "--backend", "none").stdout)
            self.assertGreater(looks[1]["rows"][0]["cpu_percent"], 1)  # a machine may be busy
            self.assertLess(looks[1]["rows"][0]["cpu_percent"], 110)

    @unittest.skipUnless(shutil.which("redis-server"), "there is no redis")
    def test_a_server_of_no_known_runtime_shows_its_registrations_and_calls(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/redis.sock"
            with process("redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder,
                         stdout=subprocess.DEVNULL) as server:
                until(lambda: os.path.exists(path), "the socket of redis")
                client = socket.socket(socket.AF_UNIX)
                client.settimeout(PATIENCE)
                until(lambda: client.connect_ex(path) == 0, "a connection")
                with process(BINARY, "top", "-p", str(server.pid), "-f", "ndjson", "-i", "100ms",
                             stdout=subprocess.PIPE) as child:
                    sent = 0
                    for line in child.stdout:
                        look = json.loads(line)
                        if look["type"] == "meta":
                            continue
                        self.assertEqual(look["by"], "fd")
                        self.assertGreater(look["processes"][0]["registrations"], 1)
                        if look["probe"]["backend"] == "none":
                            self.assertRegex(look["probe"]["notes"][0], "calls are not counted")
                            print("skipped: calls, since eBPF does not work here")
                            break
                        waits = look["processes"][0]["waits_per_s"]
                        if waits and waits > 0 and look["processes"][0]["io_calls_per_s"] > 0:
                            break
                        client.sendall(b"PING\r\n")
                        self.assertEqual(client.recv(7), b"+PONG\r\n")
                        sent += 1
                        self.assertLess(sent, 1000, "waits were never counted")
                client.close()

    def test_processes_of_a_name_come_and_go(self):
        with tempfile.TemporaryDirectory() as folder:
            name = folder + "/nptop-sleeper"
            shutil.copy("/bin/sleep", name)
            with process(name, "600"), process(BINARY, "top", "--comm", "nptop-sleeper", "-f", "ndjson", "--by", "process",
                                               "-i", "50ms", "--backend", "none", stdout=subprocess.PIPE) as child:
                def processes_become(number):
                    for line in child.stdout:
                        look = json.loads(line)
                        if look["type"] == "end" and len(look["processes"]) == number:
                            return
                processes_become(1)
                with process(name, "600"):
                    processes_become(2)
                processes_become(1)

    def test_goroutines_of_go_are_shown(self):
        program = GO_BUILDS / "system-plain"
        if not program.exists():
            self.skipTest("there is no Go program")
        with process(str(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            look = json.loads(top("-p", str(child.pid), "--json", "-n", "1", "--by", "state", "--backend", "none").stdout)
            self.judge(look)
            self.assertEqual(look["target"]["kind"], "go")
            self.assertIn("IO wait", {row["key"] for row in look["rows"]} | {row["state"] for row in look["rows"]})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
