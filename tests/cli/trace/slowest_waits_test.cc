// Who waited longest, held against all waits sorted.
#include "cli/trace/slowest_waits.h"

#include <algorithm>
#include <map>
#include <random>

#include "exporters/json.h"
#include "tests/support/catch.h"

namespace netpoll::cli {
namespace {

using By = SlowestWaits::By;

trace::Record wait_of(pid_t pid, int fd, std::uint64_t cpu_ns, const std::string& peer = {}) {
  trace::Record record;
  record.step = trace::Step::kRun;
  record.pid = pid;
  record.fd = fd;
  record.cpu_wait_ns = cpu_ns;
  record.network_wait_ns = 2 * cpu_ns;
  if (!peer.empty()) record.endpoint = std::make_shared<trace::Endpoint>(trace::Endpoint{"tcp", {}, peer});
  return record;
}

}  // namespace

TEST_CASE("the connections with the longest waits are found among many more than are kept") {
  std::mt19937_64 random(7);
  SlowestWaits slowest(By::kCpu);
  std::map<int, std::uint64_t> longest;
  for (int i = 0; i < 200'000; ++i) {
    const int fd = static_cast<int>(random() % 5000);
    // Some are slow in general, all have good days.
    const std::uint64_t ns = random() % (1 + static_cast<std::uint64_t>(fd) * 1000);
    longest[fd] = std::max(longest[fd], ns);
    slowest.add(wait_of(1, fd, ns));
  }
  std::vector<std::uint64_t> expected;
  for (const auto& [fd, ns] : longest) expected.push_back(ns);
  std::sort(expected.rbegin(), expected.rend());
  const exporters::Json rows = slowest.json();
  REQUIRE(rows.size() == SlowestWaits::kShown);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CHECK(rows[i]["cpu_wait_ns"]["max"] == expected[i]);
    CHECK(rows[i]["network_wait_ns"]["max"] == 2 * expected[i]);
    CHECK(longest[rows[i]["fd"].get<int>()] == expected[i]);
  }
}

TEST_CASE("the waits of a few connections are added up whole") {
  SlowestWaits slowest(By::kNetwork);
  for (std::uint64_t i = 1; i <= 100; ++i) slowest.add(wait_of(1, static_cast<int>(i % 3), i));
  std::uint64_t waits = 0, total = 0;
  for (const auto& row : slowest.json()) {
    waits += row["waits"].get<std::uint64_t>();
    total += row["network_wait_ns"]["total"].get<std::uint64_t>();
    CHECK(row["partial"] == false);
  }
  CHECK(waits == 100);
  CHECK(total == 2 * 5050);
}

TEST_CASE("a number that stands for another connection has another row") {
  SlowestWaits slowest(By::kCpu);
  SECTION("since it was closed") {
    slowest.add(wait_of(1, 7, 10));
    slowest.forget(1, 7);
    slowest.add(wait_of(1, 7, 20));
  }
  SECTION("since its process is another program") {
    slowest.add(wait_of(1, 7, 10));
    slowest.forget(1);
    slowest.add(wait_of(1, 7, 20));
  }
  SECTION("as its peer says") {
    slowest.add(wait_of(1, 7, 10, "10.0.0.1:1"));
    slowest.add(wait_of(1, 7, 20, "10.0.0.1:2"));
  }
  const exporters::Json rows = slowest.json();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0]["cpu_wait_ns"]["max"] == 20);
  CHECK(rows[1]["cpu_wait_ns"]["max"] == 10);
}

TEST_CASE("who comes back after others took its place is marked") {
  SlowestWaits slowest(By::kCpu);
  slowest.add(wait_of(1, 0, 1));
  for (int fd = 1; fd < 1000; ++fd) slowest.add(wait_of(1, fd, 100 + static_cast<std::uint64_t>(fd)));
  slowest.add(wait_of(1, 0, 1'000'000));
  const exporters::Json rows = slowest.json();
  CHECK(rows[0]["fd"] == 0);
  CHECK(rows[0]["waits"] == 1);
  CHECK(rows[0]["partial"] == true);
}

TEST_CASE("a goroutine that waits for no descriptor is a row of its own, and waits of another kind are none") {
  SlowestWaits slowest(By::kNetwork);
  trace::Record record = wait_of(1, -1, 5);
  record.goid = 17;
  slowest.add(record);
  record.goid = 18;
  slowest.add(record);
  record.network_wait_ns.reset();
  slowest.add(record);
  const exporters::Json rows = slowest.json();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0]["fd"].is_null());
  CHECK(rows[0]["waits"].get<int>() + rows[1]["waits"].get<int>() == 2);
}

}  // namespace netpoll::cli
