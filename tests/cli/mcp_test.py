#!/usr/bin/env python3
"""Drives `netpoll-trace mcp`: mcp_test.py BINARY FOLDER

As raw messages, and through the official client from npm (@modelcontextprotocol/sdk, installed into FOLDER once), which
checks every answer against the protocol's own schemas. Without npm or its registry that half is skipped, and says so.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from checks import check, exit_status  # noqa: E402

BINARY = sys.argv[1]
FOLDER = Path(sys.argv[2])

CLIENT = """
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
const [binary, pid] = process.argv.slice(2);
const transport = new StdioClientTransport({ command: binary, args: ['mcp'] });
const client = new Client({ name: 'test', version: '1' });
await client.connect(transport);
const { tools } = await client.listTools();
const call = async (name, args) => await client.callTool({ name, arguments: args });
const target = { pid: Number(pid) };
const answers = { tools, server: client.getServerVersion() };
answers.waiting = await call('waiting_goroutines', { ...target, limit: 5 });
answers.summary = await call('goroutine_summary', target);
answers.groups = await call('goroutine_groups', { ...target, group_by: 'peer' });
answers.graph = await call('wait_graph', { ...target, limit: 5 });
answers.epoll = await call('epoll_registrations', { ...target, limit: 5 });
answers.doctor = await call('doctor', {});
answers.gone = await call('epoll_registrations', { pid: 4194304 });
console.log(JSON.stringify(answers));
await client.close();
"""


class Server:
    """A server of ours, spoken to line by line."""

    def __init__(self):
        self.process = subprocess.Popen([BINARY, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def request(self, identity, method, **params):
        self.send(json.dumps({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}))

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        rest = self.process.stdout.read()
        return self.process.wait(timeout=60), rest


def idle_server():
    """A libruntime program with 30 silent connections, and its pid."""
    process = subprocess.Popen([BINARY, "run", "idle", "--backend", "none", "--conns", "30", "--duration", "10m"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "pid " in line:
            return process, int(line.split("pid ")[1].split(",")[0])
    raise AssertionError("the target did not start")


def wait_for_goroutines(pid):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = subprocess.run([BINARY, "snapshot", "-p", str(pid), "--json"], capture_output=True, text=True)
        if done.returncode == 0 and json.loads(done.stdout)["total"] == 31:
            return
        time.sleep(0.1)
    raise AssertionError("the target has not 31 goroutines")


def protocol():
    server = Server()
    server.request(1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "t"})
    check(server.answer()["result"]["protocolVersion"] == "2025-06-18", "a version that we speak is agreed to")
    server.request("two", "initialize", protocolVersion="1999-01-01", capabilities={})
    check(server.answer()["result"]["protocolVersion"] == "2025-11-25", "for another one, our newest is proposed")
    server.send('{"jsonrpc":"2.0","method":"notifications/initialized"}')
    server.request(3, "ping")
    check(server.answer() == {"jsonrpc": "2.0", "id": 3, "result": {}}, "a notification has no answer, a ping has")

    errors = {
        "not json": (None, -32700),
        '{"jsonrpc":"2.0","id":' + "[" * 200_000 + "]" * 200_000 + "}": (None, -32700),
        "[]": (None, -32600),
        '{"jsonrpc":"1.0","id":1,"method":"ping"}': (None, -32600),
        '{"jsonrpc":"2.0","id":null,"method":"ping"}': (None, -32600),
        '{"jsonrpc":"2.0","id":4,"method":"nothing"}': (4, -32601),
        '{"jsonrpc":"2.0","id":5,"method":"ping","params":[1]}': (5, -32602),
        '{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"rm"}}': (6, -32602),
        '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"doctor","arguments":7}}': (7, -32602),
        "[" * 200000: (None, -32700),
        "x" * 3000000: (None, -32700),
        '{"jsonrpc":"2.0","id":8,"method":"\\ud800"}': (None, -32700),
    }
    for text, wanted in errors.items():
        server.send(text)
        answer = server.answer()
        check((answer["id"], answer["error"]["code"]) == wanted, f"refused as it should be: {text[:60]}", answer)

    bad_arguments = [
        ("doctor", {"pid": "1"}), ("doctor", {"pid": 1.5}), ("doctor", {"pid": 0}), ("doctor", {"pid": 1e300}),
        ("doctor", {"pid": None}), ("doctor", {"output": "/tmp/x"}), ("doctor", {"limit": 0}),
        ("poller_calls", {}), ("poller_calls", {"pid": 1, "comm": "init"}), ("poller_calls", {"pid": 1, "seconds": 1e9}),
        ("goroutine_groups", {"pid": 1}), ("compare_results", {"base": [], "head": ["x"]}),
        ("compare_results", {"base": ["x"]}), ("waiting_goroutines", {"pid": 1, "label": "k=v"}),
        ("waiting_goroutines", {"pid": 1, "peer": "a\0b"}), ("waiting_goroutines", {"pid": 1, "all": "yes"}),
    ]
    for name, arguments in bad_arguments:
        server.request(9, "tools/call", name=name, arguments=arguments)
        result = server.answer()["result"]
        check(result["isError"] and result["content"][0]["text"], f"an error for the model: {name} {arguments}", result)

    # No value becomes a flag: -o would write a file.
    server.request(10, "tools/call", name="compare_results", arguments={"base": ["-oevil"], "head": ["--help"]})
    text = server.answer()["result"]["content"][0]["text"]
    check("cannot read ./-" in text and not Path("evil").exists(), "a path that looks like a flag is a path", text)
    status, rest = server.end()
    check((status, rest) == (0, ""), "it ends with its input", (status, rest))


def measurements(pid):
    server = Server()
    server.request(1, "tools/call", name="epoll_registrations", arguments={"pid": pid, "limit": 3})
    document = server.answer()["result"]["structuredContent"]
    check(len(document["instances"][0]["registrations"]) == 3, "lists are as long as asked for", document)
    cut = {entry["path"]: entry for entry in document["bounded"]["cut"]}
    check(cut["instances[].registrations"]["total"] == document["instances"][0]["total"], "and say what is missing", cut)

    # A ping is answered while a measurement lasts, and a cancelled one is not answered at all.
    server.request("long", "tools/call", name="poller_calls", arguments={"pid": pid, "seconds": 60})
    server.request("ping", "ping")
    check(server.answer()["id"] == "ping", "a ping overtakes a measurement")
    server.send('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"long"}}')
    server.request("after", "ping")
    check(server.answer()["id"] == "after", "a cancelled call has no answer")
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    check(children == [], "and leaves no process", children)

    # More than may run at once.
    for number in range(12):
        server.request(number, "tools/call", name="poller_calls", arguments={"pid": pid, "seconds": 60})
    refused = [server.answer() for _ in range(4)]
    check(all(answer["result"]["isError"] for answer in refused), "the ninth call has to wait", refused)
    server.process.send_signal(signal.SIGTERM)
    check(server.process.wait(timeout=60) == 143, "SIGTERM ends it", server.process.returncode)


def official_client(pid):
    if not shutil.which("npm") or not shutil.which("node"):
        print("skipped: the official client, since npm or node is not installed")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (FOLDER / "node_modules/@modelcontextprotocol/sdk").is_dir():
        (FOLDER / "package.json").write_text("{}")
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts",
                               "@modelcontextprotocol/sdk@1"], cwd=FOLDER, capture_output=True, text=True)
        if done.returncode != 0:
            print("skipped: the official client, since npm could not install it:", done.stderr.strip()[-200:])
            return
    (FOLDER / "client.mjs").write_text(CLIENT)
    done = subprocess.run(["node", "client.mjs", BINARY, str(pid)], cwd=FOLDER, capture_output=True, text=True,
                          timeout=240)
    check(done.returncode == 0, "the official client is content", done.stderr)
    if done.returncode != 0:
        return
    print("driven by @modelcontextprotocol/sdk")
    answers = json.loads(done.stdout)
    check(answers["server"]["name"] == "netpoll-trace", "it says who it is", answers["server"])
    check(all(tool["annotations"]["readOnlyHint"] for tool in answers["tools"]), "every tool only reads")
    for name, answer in answers.items():
        if name not in ("tools", "server", "gone"):
            check(not answer.get("isError"), f"{name} is answered", answer["content"][0]["text"][:300])
            check(json.loads(answer["content"][0]["text"]) == answer["structuredContent"], f"{name} says one thing twice")
    waiting = answers["waiting"]["structuredContent"]
    check(len(waiting["goroutines"]) == 5 and waiting["total"] == 31, "the longest waits come first", waiting["total"])
    groups = answers["groups"]["structuredContent"]["groups"]
    check(groups[0]["count"] == 30, "30 wait for one host", groups)
    check(answers["summary"]["structuredContent"]["summary"]["stacks"][0]["count"] == 30, "30 wait at one place")
    check(answers["gone"]["isError"], "a process that does not exist is an error for the model", answers["gone"])


def main():
    protocol()
    target, pid = idle_server()
    try:
        wait_for_goroutines(pid)
        measurements(pid)
        official_client(pid)
    finally:
        target.terminate()
        target.wait(timeout=60)
    sys.exit(exit_status())


main()
