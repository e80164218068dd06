// The servers of all workloads under the load generator, in every poll mode and with every trigger.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <string>

#include "cli/workload/workload.h"
#include "tests/cli/workload/child_thread.h"
#include "tests/support/catch.h"
#include "tests/support/procs.h"

using namespace netpoll::workload;
using namespace std::chrono_literals;
using netpoll::test::ChildThread;
using netpoll::test::listen_to_load;
using netpoll::test::next_from_server;
using netpoll::test::Said;

namespace {

Request request(const std::string& workload, std::uint64_t conns, std::uint64_t ops) {
  Request r;
  r.workload = workload;
  r.procs = netpoll::test::procs();
  r.conns = conns;
  if (ops > 0) r.ops = ops;
  return r;
}

struct Outcome {
  Said load;
  std::optional<ServerResult> server;
  int server_exit_status = -1;
};

// Server and load of one run, as the CLI has them.
Outcome run(const Request& r) {
  Outcome outcome;
  const auto plan = make_plan(r);
  REQUIRE(plan.has_value());
  ChildThread server(serve_main, {.plan = *plan});
  const auto listening = next_from_server<Listening>(server);
  REQUIRE(listening.has_value());
  CHECK(listening->pid == getpid());
  if (plan->has_load()) {
    ChildThread load(load_main, {.plan = *plan, .addresses = listening->addresses, .server_pid = listening->pid});
    outcome.load = listen_to_load(load);
    server.stop();
  } else {
    CHECK(listening->addresses.empty());
  }
  outcome.server = next_from_server<ServerResult>(server);
  outcome.server_exit_status = server.join();
  return outcome;
}

// Runs r as it is; `operations` and `connections` are what it must come to.
void run_and_check(const Request& r, std::uint64_t operations, std::uint64_t connections) {
  const Outcome outcome = run(r);
  if (outcome.load.failure) FAIL(outcome.load.failure->message);
  REQUIRE(outcome.server.has_value());
  const ServerResult& server = *outcome.server;
  INFO(server.first_error);
  CHECK(outcome.server_exit_status == 0);
  CHECK(server.errors == 0);
  CHECK(server.mismatches == 0);
  CHECK(server.operations == operations);
  CHECK(server.connections == connections);
  CHECK(server.cpu_ns > 0);
  CHECK(server.duration_ns > 0);
  CHECK(server.tracepoints.at("go_create") == server.tracepoints.at("go_exit"));
  CHECK(server.tracepoints.at("fd_register") == server.tracepoints.at("fd_close"));
  CHECK(server.tracepoints.at("foreign_ctl") == 0);
  if (server.latency) {
    CHECK(server.latency->count == operations);
  } else {
    REQUIRE(outcome.load.result.has_value());
    CHECK(outcome.load.result->operations == operations);
    CHECK(outcome.load.result->latency.count == operations);
  }
}

// The same with every poll mode and trigger.
void run_everywhere(Request r, std::uint64_t operations, std::uint64_t connections) {
  for (const char* mode : {"thread", "inline", "hybrid"}) {
    for (const char* trigger : {"oneshot", "edge", "level"}) {
      INFO(mode << " " << trigger);
      r.poll_mode = mode;
      r.trigger = trigger;
      run_and_check(r, operations, connections);
    }
  }
}

}  // namespace

TEST_CASE("echo answers every message", "[serve]") { run_everywhere(request("echo", 10, 1000), 1000, 10); }

TEST_CASE("thousands of connections are served at once", "[serve]") {
  Request r = request("echo", 1500, 3000);
  for (const auto& [mode, trigger] : {std::pair("thread", "oneshot"), {"inline", "level"}, {"hybrid", "edge"}}) {
    INFO(mode << " " << trigger);
    r.poll_mode = mode;
    r.trigger = trigger;
    run_and_check(r, 3000, 1500);
  }
}

TEST_CASE("echo answers messages larger than its buffer", "[serve]") {
  Request r = request("echo", 3, 60);
  r.size = 100'000;
  r.buffer = 1000;
  run_everywhere(r, 60, 3);
}

TEST_CASE("idle connections cost nothing until they are asked", "[serve]") {
  Request r = request("idle", 50, 0);
  r.duration = 50ms;
  for (const bool hold : {false, true}) {
    r.hold = hold;
    run_everywhere(r, 50, 50);
  }
  r.hold = false;
  r.rest = true;
  run_everywhere(r, 50, 50);
}

TEST_CASE("connections that rest between their requests are answered alike", "[serve]") {
  Request r = request("echo", 20, 500);
  r.rest = true;
  run_everywhere(r, 500, 20);
  r.buffer = 5000;  // beyond the stack's
  r.size = 20'000;
  run_everywhere(r, 500, 20);
}

TEST_CASE("fanin collects from all connections", "[serve]") { run_everywhere(request("fanin", 10, 500), 500, 10); }

TEST_CASE("churn serves each connection once", "[serve]") { run_everywhere(request("churn", 4, 100), 100, 100); }

TEST_CASE("a pipeline is answered in order", "[serve]") {
  Request r = request("pipeline", 3, 1000);
  r.depth = 20;
  r.size = 100;
  run_everywhere(r, 1000, 3);
}

TEST_CASE("a proxy relays both ways and passes the end on", "[serve]") {
  run_everywhere(request("proxy", 4, 300), 300, 4);
}

TEST_CASE("deadlines fire, never early, and spare what comes in time", "[serve]") {
  Request r = request("deadline", 10, 100);
  r.timeout = 300us;
  run_everywhere(r, 100, 10);
}

TEST_CASE("slow readers get every byte", "[serve]") {
  Request r = request("slow", 4, 8);
  r.pause = 200us;
  run_everywhere(r, 8, 4);
}

TEST_CASE("listeners on one port share the connections", "[serve]") {
  Request r = request("reuseport", 40, 400);
  r.listeners = 3;
  run_everywhere(r, 400, 40);
  const Outcome outcome = run(r);
  REQUIRE(outcome.server.has_value());
  REQUIRE(outcome.server->accepted.size() == 3);
  CHECK(std::accumulate(outcome.server->accepted.begin(), outcome.server->accepted.end(), std::uint64_t{0}) == 40);
}

TEST_CASE("balls go to and fro over pipes", "[serve]") {
  run_everywhere(request("pipe", 4, 300), 300, 4);
  Request r = request("pipe", 2, 6);
  r.size = 200'000;  // more than a pipe holds
  run_everywhere(r, 6, 2);
}

TEST_CASE("datagrams are answered", "[serve]") {
  // A datagram that was sent twice is answered twice; on loopback with so few in flight none is.
  run_everywhere(request("udp", 4, 300), 300, 0);
}

TEST_CASE("echo goes on beside busy goroutines", "[serve]") {
  Request r = request("cpu", 2, 50);
  r.busy = 3;
  run_everywhere(r, 50, 2);
  const Outcome outcome = run(r);
  REQUIRE(outcome.server.has_value());
  CHECK(outcome.server->busy_rounds > 0);
}

TEST_CASE("streams may be Unix sockets", "[serve]") {
  Request r = request("echo", 8, 200);
  r.listen = "unix:@netpoll-serve-test-" + std::to_string(getpid());
  run_everywhere(r, 200, 8);
}

TEST_CASE("a self-driven workload ends after its duration", "[serve]") {
  for (const char* workload : {"pipe", "deadline"}) {
    Request r = request(workload, 3, 0);
    r.duration = 100ms;
    const Outcome outcome = run(r);
    REQUIRE(outcome.server.has_value());
    CHECK(outcome.server->operations > 0);
    CHECK(outcome.server->latency->count == outcome.server->operations);
    CHECK(outcome.server->duration_ns >= 100'000'000);
  }
}

TEST_CASE("a server that is stopped before anybody came has an empty result", "[serve]") {
  for (const Workload& workload : workloads()) {
    INFO(workload.name);
    Request r;
    r.workload = workload.name;
    r.conns = 3;
    r.procs = netpoll::test::procs();
    if ((workload.options & kDuration) != 0) r.duration = std::chrono::hours(1);
    ChildThread server(serve_main, {.plan = *make_plan(r)});
    REQUIRE(next_from_server<Listening>(server).has_value());
    server.stop();
    const auto result = next_from_server<ServerResult>(server);
    REQUIRE(result.has_value());
    CHECK(result->errors == 0);
    CHECK(server.join() == 0);
  }
}

TEST_CASE("a server that is stopped under load still reports", "[serve]") {
  Request r = request("echo", 5, 0);
  r.duration = std::chrono::hours(1);
  const auto plan = make_plan(r);
  REQUIRE(plan.has_value());
  ChildThread server(serve_main, {.plan = *plan});
  const auto listening = next_from_server<Listening>(server);
  REQUIRE(listening.has_value());
  ChildThread load(load_main, {.plan = *plan, .addresses = listening->addresses, .server_pid = listening->pid});
  std::optional<Progress> progress;
  while (!progress) {
    const auto message = parse_load_line(load.next_line().value_or(""));
    REQUIRE(message.has_value());
    if (const auto* p = std::get_if<Progress>(&message->value())) progress = *p;
  }
  server.stop();
  const auto result = next_from_server<ServerResult>(server);
  REQUIRE(result.has_value());
  CHECK(result->connections == 5);
  CHECK(result->operations >= progress->operations);
  const Said said = listen_to_load(load);
  REQUIRE(said.failure.has_value());
  CHECK(said.exit_status == 3);
}

TEST_CASE("a port in use is one clear failure", "[serve]") {
  ChildThread first(serve_main, {.plan = *make_plan(request("echo", 1, 1))});
  const auto listening = next_from_server<Listening>(first);
  REQUIRE(listening.has_value());
  Request r = request("echo", 1, 1);
  r.listen = listening->addresses[0];
  ChildThread second(serve_main, {.plan = *make_plan(r)});
  const auto failure = next_from_server<Failure>(second);
  REQUIRE(failure.has_value());
  CHECK(failure->message.find(listening->addresses[0]) != std::string::npos);
  CHECK(failure->hint.find("--listen 127.0.0.1:0") != std::string::npos);
  CHECK(failure->exit_status == 3);
  CHECK(second.join() == 3);
}

TEST_CASE("an address that is none is a usage error", "[serve]") {
  for (const char* workload : {"echo", "udp", "reuseport", "proxy"}) {
    Request r = request(workload, 1, 1);
    r.listen = "no such place";
    ChildThread server(serve_main, {.plan = *make_plan(r)});
    const auto failure = next_from_server<Failure>(server);
    REQUIRE(failure.has_value());
    CHECK(failure->exit_status == 2);
    CHECK(server.join() == 2);
  }
}

TEST_CASE("a foreign client's messages count by answer", "[serve]") {
  Request r = request("echo", 1, 1);
  r.serve_only = true;
  ChildThread server(serve_main, {.plan = *make_plan(r)});
  const auto listening = next_from_server<Listening>(server);
  REQUIRE(listening.has_value());
  Request other = request("echo", 2, 30);
  other.size = 100;
  ChildThread load(load_main, {.plan = *make_plan(other), .addresses = listening->addresses});
  REQUIRE(listen_to_load(load).result.has_value());
  server.stop();
  const auto result = next_from_server<ServerResult>(server);
  REQUIRE(result.has_value());
  CHECK(result->operations == 30);
  CHECK(result->bytes_read == 3000);
}
