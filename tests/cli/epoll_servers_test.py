#!/usr/bin/env python3
"""epoll and lint on servers of others: epoll_servers_test.py BINARY ECHO_GO BUILD

Each server is connected to a few times. What a server registered is known from outside: its listener, and each of our
connections, whose addresses we know. A server that this machine does not have is skipped, and said.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from programs import PATIENCE, free_port, until  # noqa: E402

BINARY, ECHO_GO, BUILD = sys.argv[1], sys.argv[2], os.path.abspath(sys.argv[3])
CONNECTIONS = 5


def tool(*arguments, ok=(0,)):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode not in ok:
        raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def address(pair):
    return f"{pair[0]}:{pair[1]}"


class Servers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.connections = []
        self.addCleanup(lambda: [connection.close() for connection in self.connections])

    def start(self, *command, **more):
        server = subprocess.Popen(command, stdin=subprocess.PIPE, **{"stdout": subprocess.DEVNULL, **more})

        def end():
            server.send_signal(signal.SIGINT)
            try:
                server.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.communicate()
        self.addCleanup(end)
        return server

    def needs(self, program):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed")

    def connect(self, port, question=b""):
        def attempt():
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            except ConnectionRefusedError:
                return None
        for _ in range(CONNECTIONS):
            self.connections.append(until(attempt, f"a server on port {port}"))
            if question:  # so that the server is known to have accepted it
                self.connections[-1].sendall(question)
                self.assertTrue(self.connections[-1].recv(1))

    def examine(self, port, pids, edge=None):
        """The document, once all connections are in it; what is true of every server is checked."""
        options = [word for pid in pids for word in ("-p", str(pid))]
        ours = {address(connection.getsockname()): connection.fileno() for connection in self.connections}

        def look():
            document = json.loads(tool("epoll", *options, "--json"))
            rows = [row for instance in document["instances"] for row in instance["registrations"]]
            found = {row["peer"]: row for row in rows if row["peer"] in ours}
            return (document, rows, found) if len(found) == len(ours) else None
        document, rows, found = until(look, "every connection is registered")
        for peer, row in found.items():
            with self.subTest(peer=peer):
                self.assertEqual((row["kind"], row["tcp_state"], row["state"]), ("tcp", "ESTABLISHED", "open"))
                self.assertEqual(row["local"], f"127.0.0.1:{port}")
                self.assertIs(row["nonblocking"], True)
                self.assertIs(row["armed"], True)
                self.assertIn("IN", row["events"])
                if edge is not None:
                    self.assertEqual("ET" in row["events"], edge)
                self.assertIn({"pid": os.getpid(), "fd": ours[peer]},
                              [{"pid": who["pid"], "fd": who["fd"]} for who in row["peer_processes"]])
        listening = [row for row in rows if row["tcp_state"] == "LISTEN" and row["local"].endswith(f":{port}")]
        self.assertGreaterEqual(len(listening), 1)
        self.assertEqual(sum(worker["connections"] for worker in document["workers"]),
                         sum(1 for row in rows if row["peer"] and row["kind"] in ("tcp", "unix")))
        self.assertEqual([f for f in document["findings"] if f["level"] == "error"], [])
        # Only what does harm: a warning says that something may.
        tool("lint", *options, "--errors-only")
        return document

    def test_redis(self):
        self.needs("redis-server")
        port = free_port()
        server = self.start("redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1")
        self.connect(port, b"PING\r\n")
        document = self.examine(port, [server.pid], edge=False)
        self.assertEqual(document["findings"], [])
        self.assertEqual(len(document["instances"]), 1)
        loop, = document["loops"]
        self.assertEqual((loop["connections"], [t["tid"] for t in loop["threads"]]), (CONNECTIONS, [server.pid]))

    def test_nginx_with_two_workers(self):
        self.needs("nginx")
        port = free_port()
        path = os.path.join(self.folder.name, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"daemon off; worker_processes 2; pid {self.folder.name}/pid; error_log /dev/null;\n"
                       "events { worker_connections 64; }\n"
                       f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; return 200 ok; }} }}\n")
        master = self.start("nginx", "-e", "/dev/null", "-p", self.folder.name, "-c", path, stderr=subprocess.DEVNULL)
        self.connect(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        workers = until(lambda: len(children_of(master.pid)) == 2 and children_of(master.pid), "two workers")
        document = self.examine(port, workers, edge=True)
        self.assertEqual(document["findings"], [])  # EPOLLEXCLUSIVE keeps the herd away
        self.assertEqual({worker["pid"] for worker in document["workers"]}, set(workers))
        self.assertEqual(len(document["instances"]), 2)
        # The channel of a worker to its master, too.
        for instance in document["instances"]:
            self.assertIn("unix", {row["kind"] for row in instance["registrations"]})

    def test_node(self):
        self.needs("node")
        port = free_port()
        program = f"require('net').createServer(c => c.pipe(c)).listen({port}, '127.0.0.1')"
        server = self.start("node", "-e", program)
        self.connect(port, b"x")
        self.examine(port, [server.pid], edge=False)

    def test_go(self):
        go = shutil.which("go") or "/usr/local/go/bin/go"
        if not os.access(go, os.X_OK):
            self.skipTest("go is not installed")
        program = os.path.join(self.folder.name, "echo")
        built = subprocess.run([go, "build", "-o", program, ECHO_GO], capture_output=True, text=True, timeout=PATIENCE,
                               env={**os.environ, "GO111MODULE": "off", "GOFLAGS": "",
                                    "GOCACHE": os.path.join(BUILD, "go-cache")})
        self.assertEqual(built.returncode, 0, built.stderr)
        server = self.start(program, stdout=subprocess.PIPE, text=True)
        port = int(server.stdout.readline().split()[0].rsplit(":", 1)[1])
        self.connect(port, b"x" * 64)
        document = self.examine(port, [server.pid], edge=True)
        self.assertEqual(document["findings"], [])
        self.assertEqual(document["target"]["kind"], "go")

    def test_java(self):
        self.needs("java")
        path = os.path.join(self.folder.name, "Echo.java")
        with open(path, "w", encoding="utf-8") as file:
            file.write("""
import java.net.*; import java.nio.*; import java.nio.channels.*;
public class Echo {
  public static void main(String[] args) throws Exception {
    Selector selector = Selector.open();
    ServerSocketChannel listener = ServerSocketChannel.open();
    listener.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
    listener.configureBlocking(false);
    listener.register(selector, SelectionKey.OP_ACCEPT);
    ByteBuffer buffer = ByteBuffer.allocate(4096);
    while (true) {
      selector.select();
      for (SelectionKey key : selector.selectedKeys()) {
        if (key.isAcceptable()) {
          SocketChannel channel = listener.accept();
          channel.configureBlocking(false);
          channel.register(selector, SelectionKey.OP_READ);
        } else {
          buffer.clear();
          if (((SocketChannel) key.channel()).read(buffer) < 0) { key.channel().close(); continue; }
          buffer.flip();
          ((SocketChannel) key.channel()).write(buffer);
        }
      }
      selector.selectedKeys().clear();
    }
  }
}
""")
        port = free_port()
        server = self.start("java", "-Xmx64m", "-XX:TieredStopAtLevel=1", path, str(port), stderr=subprocess.DEVNULL)
        try:
            self.connect(port, b"x")
        except AssertionError:
            if server.poll() is None:
                raise
            self.skipTest("this Java compiles nothing: it has no JDK")
        self.examine(port, [server.pid], edge=False)

    def test_libruntime(self):
        port = free_port()
        server = self.start(BINARY, "run", "echo", "--serve", f"127.0.0.1:{port}", "--backend", "none", "-o",
                            "/dev/null", stderr=subprocess.PIPE, text=True)
        said = ""
        while not (found := re.search(r"pid (\d+)", said)):
            line = server.stderr.readline()
            self.assertTrue(line, said)
            said += line
        self.connect(port, b"x" * 64)
        document = self.examine(port, [int(found.group(1))])
        self.assertEqual(document["findings"], [])
        self.assertEqual(document["target"]["kind"], "libruntime")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
