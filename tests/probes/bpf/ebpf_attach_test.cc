// Attaching to a process that already runs, and leaving it.
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "tests/probes/bpf/ebpf_or_skip.h"
#include "tests/probes/counted_run.h"
#include "tests/probes/truth.h"
#include "tests/probes/wait_for_end.h"
#include "tests/support/prey.h"

namespace netpoll::test {
namespace {

using probes::Syscall;

constexpr const char* kCalls = NETPOLL_KNOWN_CALLS;

std::uint64_t count_of(const probes::Counts& counts, Syscall syscall) {
  return counts.syscalls[static_cast<std::size_t>(syscall)].count;
}

}  // namespace

TEST_CASE("a call that sleeps while we attach is not counted, all that follow are") {
  for (const bool latency : {false, true}) {
    auto source = ebpf_or_skip({.latency = latency});
    if (!source) return;
    Prey child({kCalls, "await", "polls", "io", "threads"});
    REQUIRE(child.sleeps());
    REQUIRE(source->attach({.pid = child.pid()}));
    child.poke();
    const Truth truth = parse_truth(child.rest());
    wait_for_end(*source);
    auto counts = source->read();
    REQUIRE(counts);
    CHECK(differences(*counts, truth.counts) == std::vector<std::string>{});
    CHECK(counts->lost == 0);
  }
}

TEST_CASE("children forked after attaching are counted when forks are followed") {
  auto source = ebpf_or_skip();
  if (!source) return;
  Prey child({kCalls, "await", "forks"});
  REQUIRE(child.sleeps());
  REQUIRE(source->attach({.pid = child.pid(), .follow_forks = true}));
  child.poke();
  const Truth truth = parse_truth(child.rest());
  wait_for_end(*source);
  auto counts = source->read();
  REQUIRE(counts);
  CHECK(differences(*counts, truth.counts) == std::vector<std::string>{});
}

TEST_CASE("a call that has begun but not returned is counted once, before and after its end") {
  for (const bool latency : {false, true}) {
    auto source = ebpf_or_skip({.latency = latency});
    if (!source) return;
    Prey child({kCalls, "await", "hang"});
    REQUIRE(child.sleeps());
    REQUIRE(source->attach({.pid = child.pid()}));
    auto before = source->read();
    REQUIRE(before);
    const auto& waiting = before->syscalls[static_cast<std::size_t>(Syscall::epoll_wait)];
    CHECK(waiting.count == 0);  // began before us
    CHECK(waiting.in_flight.count == 1);
    CHECK(waiting.in_flight.before == 1);
    CHECK(waiting.window_ns == (latency ? std::optional(waiting.in_flight.longest_ns) : std::nullopt));
    child.poke();
    REQUIRE(child.sleeps());
    for (int i = 0; i < 3; ++i) {
      auto during = source->read();
      REQUIRE(during);
      CHECK(count_of(*during, Syscall::epoll_pwait) == 1);
      const auto& hanging = during->syscalls[static_cast<std::size_t>(Syscall::epoll_pwait)];
      CHECK(hanging.errors.empty());
      CHECK(hanging.returned == 0);
      CHECK(hanging.in_flight.count == 1);
      CHECK(hanging.in_flight.before == 0);
      CHECK(hanging.window_ns == (latency ? std::optional(hanging.in_flight.longest_ns) : std::nullopt));
      CHECK(hanging.total_ns.value_or(0) == 0);
      // What the first wait took of our time stays known after it returned.
      const auto& waited = during->syscalls[static_cast<std::size_t>(Syscall::epoll_wait)];
      CHECK(waited.in_flight.count == 0);
      CHECK(waited.total_ns.value_or(0) == 0);
      CHECK(waited.window_ns.value_or(0) >= waiting.window_ns.value_or(0));
    }
    REQUIRE(child.child().kill());
    wait_for_end(*source);
    auto after = source->read();
    REQUIRE(after);
    const auto& wait = after->syscalls[static_cast<std::size_t>(Syscall::epoll_pwait)];
    CHECK(wait.count == 1);
    CHECK(wait.returned == 1);
    CHECK(wait.in_flight.count == 0);
    CHECK(wait.window_ns == wait.total_ns);
    CHECK(wait.errors == std::map<int, std::uint64_t>{{EINTR, 1}});
  }
}

TEST_CASE("other processes that do the same are not counted") {
  auto source = ebpf_or_skip();
  if (!source) return;
  Prey child({kCalls, "await"});
  REQUIRE(child.sleeps());
  REQUIRE(source->attach({.pid = child.pid()}));
  REQUIRE(run_plainly({kCalls, "polls", "io", "forks", "threads"}));
  auto counts = source->read();
  REQUIRE(counts);
  CHECK(differences(*counts, {}) == std::vector<std::string>{});
  child.poke();
  const Truth truth = parse_truth(child.rest());
  wait_for_end(*source);
  counts = source->read();
  REQUIRE(counts);
  CHECK(differences(*counts, truth.counts) == std::vector<std::string>{});
}

TEST_CASE("two sources count the same process side by side, and one leaves without disturbing the other") {
  auto first = ebpf_or_skip();
  if (!first) return;
  auto second = ebpf_or_skip({.latency = false});
  REQUIRE(second);
  Prey child({kCalls, "await", "polls", "await", "io"});
  REQUIRE(child.sleeps());
  REQUIRE(first->attach({.pid = child.pid()}));
  REQUIRE(second->attach({.pid = child.pid()}));
  child.poke();
  REQUIRE(child.sleeps());
  const auto left = second->read();
  second->detach();
  child.poke();
  const Truth truth = parse_truth(child.rest());
  wait_for_end(*first);
  const auto counts = first->read();
  REQUIRE(counts);
  // Preparations and the sleep of the second "await" are not in the books.
  auto expected = truth.counts;
  expected.syscalls[static_cast<std::size_t>(Syscall::epoll_create1)].count += 1;
  expected.syscalls[static_cast<std::size_t>(Syscall::epoll_ctl)].count += 1;
  expected.syscalls[static_cast<std::size_t>(Syscall::write)].count += 1;
  const Syscall wait = probes::parse_syscall("epoll_wait").value();
  expected.ctl_add += 1;
  expected.syscalls[static_cast<std::size_t>(wait)].count += 1;
  expected.waits[0].events += 1;
  expected.waits[0].asked_forever += 1;
  CHECK(differences(*counts, expected) == std::vector<std::string>{});
  REQUIRE(left);
  const auto frozen = second->read();
  REQUIRE(frozen);
  CHECK(count_of(*frozen, Syscall::recvmsg) == 0);
}

TEST_CASE("detaching stops the counting and leaves the process running") {
  auto source = ebpf_or_skip();
  if (!source) return;
  Prey child({kCalls, "await", "polls", "io"});
  REQUIRE(child.sleeps());
  REQUIRE(source->attach({.pid = child.pid()}));
  source->detach();
  source->detach();
  child.poke();
  CHECK(parse_truth(child.rest()).counts.ctl_add == 7);
  const auto counts = source->read();
  REQUIRE(counts);
  CHECK(differences(*counts, {}) == std::vector<std::string>{});
}

TEST_CASE("attaching to what cannot be counted says why") {
  auto source = ebpf_or_skip();
  if (!source) return;
  auto child = probes::launch({.argv = {"/bin/true"}});
  REQUIRE(child);
  const pid_t gone = child->pid();
  REQUIRE(child->resume());
  REQUIRE(child->wait(-1));
  auto missing = source->attach({.pid = gone});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().is(ErrorKind::kNotFound));

  auto nonsense = source->attach({.pid = -5});
  REQUIRE_FALSE(nonsense);
  CHECK(nonsense.error().is(ErrorKind::kInvalid));

  pid_t tid = 0;
  std::thread([&] { tid = static_cast<pid_t>(::syscall(SYS_gettid)); }).join();
  auto thread = source->attach({.pid = tid});
  REQUIRE_FALSE(thread);
  CHECK(thread.error().is(ErrorKind::kNotFound));
}

}  // namespace netpoll::test
