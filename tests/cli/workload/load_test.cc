// The load generator against right and wrong servers, all in this process.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "cli/workload/load/endpoint.h"
#include "cli/workload/workload.h"
#include "tests/cli/workload/child_thread.h"
#include "tests/cli/workload/prey_server.h"
#include "tests/support/catch.h"

using namespace netpoll::workload;
using namespace std::chrono_literals;
using netpoll::test::Behaviour;
using netpoll::test::ChildThread;
using netpoll::test::PreyServer;
using netpoll::test::Said;

namespace {

Request request(const std::string& workload, std::uint64_t conns, std::uint64_t ops) {
  Request r;
  r.workload = workload;
  r.conns = conns;
  if (ops > 0) r.ops = ops;
  return r;
}

// Runs a load to its end; stop_after_progress: stops it after the first progress line.
Said run_load(const Request& request, const std::string& address, std::chrono::nanoseconds patience = 10s,
              bool stop_after_progress = false) {
  auto plan = make_plan(request);
  REQUIRE(plan.has_value());
  ChildThread load(load_main, {.plan = *plan, .addresses = {address}, .server_pid = getpid(), .patience = patience});
  Said said = listen_to_load(load, stop_after_progress);
  REQUIRE(said.malformed == 0);
  return said;
}

void require_failure(const Said& said, const std::string& text) {
  REQUIRE_FALSE(said.result.has_value());
  REQUIRE(said.failure.has_value());
  INFO(said.failure->message);
  CHECK(said.failure->message.find(text) != std::string::npos);
  CHECK(said.exit_status == 3);
}

void require_complete(const Said& said, std::uint64_t operations, std::size_t size) {
  if (said.failure) FAIL(said.failure->message);
  REQUIRE(said.result.has_value());
  CHECK(said.exit_status == 0);
  CHECK(said.result->operations == operations);
  CHECK(said.result->bytes_sent == operations * size);
  CHECK(said.result->bytes_received == operations * size);
  CHECK(said.result->latency.count == operations);
  CHECK(said.result->latency.min > 0);
  CHECK(said.result->latency.p50 <= said.result->latency.max);
  CHECK(said.result->duration_ns > 0);
  CHECK(said.result->server_cpu_ns.has_value());
}

}  // namespace

TEST_CASE("operations are exact over all connections", "[load]") {
  PreyServer server(Behaviour::kEcho);
  for (const std::uint64_t conns : {1, 3, 50}) {
    const Said said = run_load(request("echo", conns, 1001), server.address());
    require_complete(said, 1001, 64);
    CHECK(said.connected == conns);
    CHECK(said.result->connections == conns);
  }
  CHECK(server.accepted() == 54);
  CHECK(server.ended() == 54);  // each connection was ended, and the load waited for it
}

TEST_CASE("thousands of connections are made in batches, each once", "[load]") {
  PreyServer server(Behaviour::kEcho);
  const Said said = run_load(request("echo", 2000, 4000), server.address());
  require_complete(said, 4000, 64);
  CHECK(said.connected == 2000);
  CHECK(server.accepted() == 2000);
  CHECK(server.ended() == 2000);
}

TEST_CASE("fewer operations than connections leave some silent", "[load]") {
  PreyServer server(Behaviour::kEcho);
  require_complete(run_load(request("echo", 10, 3), server.address()), 3, 64);
  CHECK(server.ended() == 10);
}

TEST_CASE("messages of every size come back", "[load]") {
  PreyServer server(Behaviour::kEcho);
  for (const std::size_t size : {1, 7, 8, 9, 1000, 65'536, 300'001}) {
    Request r = request("echo", 2, 40);
    r.size = size;
    require_complete(run_load(r, server.address()), 40, size);
  }
}

TEST_CASE("a pipeline keeps several requests in flight", "[load]") {
  PreyServer server(Behaviour::kEcho);
  Request r = request("pipeline", 3, 5000);
  r.depth = 32;
  r.size = 100;
  require_complete(run_load(r, server.address()), 5000, 100);
}

TEST_CASE("warm-up is left out of operations, bytes and latency", "[load]") {
  PreyServer server(Behaviour::kEcho);
  Request r = request("echo", 4, 200);
  r.warmup = 77;
  const Said said = run_load(r, server.address());
  require_complete(said, 200, 64);
  CHECK(said.result->warmup_operations == 77);
}

TEST_CASE("a duration ends a run", "[load]") {
  PreyServer server(Behaviour::kEcho);
  Request r = request("echo", 4, 0);
  r.duration = 300ms;
  const Said said = run_load(r, server.address());
  REQUIRE(said.result.has_value());
  CHECK(said.result->operations > 0);
  CHECK(said.result->duration_ns >= 300'000'000);
  CHECK(said.result->latency.count == said.result->operations);
  CHECK(server.ended() == 4);
}

TEST_CASE("churn makes exactly as many connections as operations", "[load]") {
  PreyServer server(Behaviour::kEcho);
  const Said said = run_load(request("churn", 5, 123), server.address());
  require_complete(said, 123, 64);
  CHECK(said.result->connections == 123);
  CHECK(server.accepted() == 123);
  CHECK(server.ended() == 123);
}

TEST_CASE("idle connections are silent and answer at the end", "[load]") {
  PreyServer server(Behaviour::kEcho);
  Request r = request("idle", 20, 0);
  r.duration = 100ms;
  const Said said = run_load(r, server.address());
  require_complete(said, 20, 16);
  CHECK(said.result->duration_ns >= 100'000'000);
}

TEST_CASE("Unix and IPv6 servers are reached", "[load]") {
  const std::string name = "unix:@netpoll-load-test-" + std::to_string(getpid());
  PreyServer local(Behaviour::kEcho, name);
  require_complete(run_load(request("echo", 8, 100), name), 100, 64);
  require_complete(run_load(request("churn", 8, 50), name), 50, 64);
  PreyServer v6(Behaviour::kEcho, "::1");
  require_complete(run_load(request("echo", 8, 100), v6.address()), 100, 64);
}

TEST_CASE("a lost datagram is sent again, and a second answer to it is no mistake", "[load]") {
  netpoll::Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(getsockname(socket_fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  std::atomic<bool> done{false};
  // Loses the third datagram and answers every other one twice.
  std::thread server([&] {
    for (int n = 1; !done;) {
      pollfd polled{socket_fd.get(), POLLIN, 0};
      if (poll(&polled, 1, 20) != 1) continue;
      char buffer[2048];
      sockaddr_in from{};
      socklen_t from_size = sizeof(from);
      const ssize_t got =
          recvfrom(socket_fd.get(), buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
      if (got <= 0 || n++ == 3) continue;
      for (int i = 0; i < 2; ++i) {
        sendto(socket_fd.get(), buffer, static_cast<std::size_t>(got), 0, reinterpret_cast<sockaddr*>(&from),
               from_size);
      }
    }
  });
  const Said said = run_load(request("udp", 1, 50), "127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  done = true;
  server.join();
  if (said.failure) FAIL(said.failure->message);
  REQUIRE(said.result.has_value());
  CHECK(said.result->operations == 50);
  CHECK(said.result->retransmits >= 1);
}

TEST_CASE("a stop reports what was done so far", "[load]") {
  PreyServer server(Behaviour::kEcho);
  Request r = request("echo", 4, 0);
  r.duration = std::chrono::hours(1);
  const Said said = run_load(r, server.address(), 10s, true);
  REQUIRE(said.result.has_value());
  CHECK(said.exit_status == 0);
  CHECK(said.result->operations >= said.progress.front().operations);
}

TEST_CASE("one wrong bit is found and named", "[load]") {
  PreyServer server(Behaviour::kFlipBit);
  require_failure(run_load(request("echo", 4, 1000), server.address()), "wrong answer: byte 32 is 0x");
}

TEST_CASE("an answer that went to another connection is found", "[load]") {
  PreyServer server(Behaviour::kMisroute);
  const Said said = run_load(request("echo", 4, 1000), server.address());
  REQUIRE(said.failure.has_value());
  INFO(said.failure->message);
  CHECK((said.failure->message.find("these are the bytes of connection") != std::string::npos ||
         said.failure->message.find("an answer nobody asked for") != std::string::npos));
}

TEST_CASE("an answer that comes twice is found", "[load]") {
  PreyServer server(Behaviour::kDouble);
  const Said said = run_load(request("echo", 1, 1000), server.address());
  REQUIRE(said.failure.has_value());
  CHECK_FALSE(said.result.has_value());
}

TEST_CASE("a server that stops answering is a failure, not a hang", "[load]") {
  PreyServer server(Behaviour::kSwallow);
  require_failure(run_load(request("echo", 1, 1000), server.address(), 200ms), "no answer from the server");
}

TEST_CASE("a connection that ends too early names how far it came", "[load]") {
  PreyServer server(Behaviour::kCloseEarly);
  require_failure(run_load(request("echo", 1, 1000), server.address()), "connection 0, message 19");
}

TEST_CASE("a reset is a failure", "[load]") {
  PreyServer server(Behaviour::kReset);
  require_failure(run_load(request("echo", 2, 1000), server.address()), "reset by peer");
}

TEST_CASE("a server that loses the end of a stream is found", "[load]") {
  PreyServer server(Behaviour::kNeverClose);
  require_failure(run_load(request("echo", 3, 100), server.address(), 200ms), "3 of 3 connections were not closed");
}

TEST_CASE("a refused connection says where and what to look at", "[load]") {
  std::string address;
  {
    PreyServer gone(Behaviour::kEcho);
    address = gone.address();
  }
  for (const char* workload : {"echo", "churn", "slow"}) {
    const Said said = run_load(request(workload, 4, 100), address);
    require_failure(said, "connect " + address);
    CHECK(said.failure->hint.find("did the server start") != std::string::npos);
  }
  const Said udp = run_load(request("udp", 1, 10), address);
  require_failure(udp, "refused");
}

TEST_CASE("a load without address or with a strange one is a usage error", "[load]") {
  const Said said = run_load(request("echo", 1, 1), "nowhere");
  REQUIRE(said.failure.has_value());
  CHECK(said.failure->exit_status == 2);
  CHECK(said.exit_status == 2);
}

TEST_CASE("endpoints are numeric addresses and Unix names", "[load]") {
  for (const char* good : {"127.0.0.1:1", "[::1]:65535", "unix:/tmp/x", "unix:@x"}) {
    INFO(good);
    CHECK(Endpoint::parse(good).has_value());
  }
  for (const char* bad : {"", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "localhost:80", "[::1:80",
                          "unix:", "unix:@", "127.0.0.1:80x", "::1:80"}) {
    INFO(bad);
    CHECK_FALSE(Endpoint::parse(bad).has_value());
  }
  CHECK_FALSE(Endpoint::parse("unix:/" + std::string(200, 'x')).has_value());
  CHECK(Endpoint::parse("127.0.0.1:1")->has_many_sources());
  CHECK_FALSE(Endpoint::parse("[::1]:1")->has_many_sources());
}
