// Counts of commands from their exec to their end, against what they say that they did and against strace.
#include <cerrno>

#include "tests/probes/ptrace/support.h"
#include "tests/probes/strace_witness.h"

namespace netpoll::test {
namespace {

using probes::make_ptrace_source;
using probes::SourceOptions;
using probes::Syscall;

const SourceOptions kCountsOnly{.latency = false};
const SourceOptions kWithLatency{.latency = true};

CountedRun run(std::vector<std::string> command, const SourceOptions& options, bool follow_forks = false) {
  auto source = make_ptrace_source(options);
  auto run = run_counted(*source, std::move(command), follow_forks);
  if (!run) FAIL(run.error().message());
  CHECK(run->status.success());
  return std::move(*run);
}

// Runs the scenarios of known_calls and compares with their own books.
CountedRun check_truth(std::vector<std::string> scenarios, const SourceOptions& options, bool follow_forks = false) {
  scenarios.insert(scenarios.begin(), kCalls);
  CountedRun result = run(std::move(scenarios), options, follow_forks);
  const Truth truth = parse_truth(result.output);
  CHECK(differences(result.counts, truth.counts) == kNoDifference);
  CHECK(result.counts.lost == truth.uncounted);
  CHECK(result.counts.foreign == truth.uncounted);
  return result;
}

void compare_with_strace(const std::vector<std::string>& command, const std::vector<Syscall>& syscalls) {
  const auto witness = strace_counts(command);
  if (!witness) NETPOLL_SKIP("strace is not installed or may not trace");
  const CountedRun ours = run(command, kCountsOnly, true);
  for (const Syscall syscall : syscalls) {
    const auto name = std::string(probes::syscall_name(syscall));
    const auto& counts = row_of(ours.counts, syscall);
    std::uint64_t errors = 0;
    for (const auto& [error, count] : counts.errors) errors += count;
    const auto row = witness->find(name);
    INFO(name);
    CHECK(counts.count == (row == witness->end() ? 0 : row->second.calls));
    CHECK(errors == (row == witness->end() ? 0 : row->second.errors));
  }
}

std::vector<Syscall> all_syscalls() {
  std::vector<Syscall> all;
  for (std::size_t i = 0; i < probes::kSyscallCount; ++i) all.push_back(static_cast<Syscall>(i));
  return all;
}

}  // namespace

TEST_CASE("every call of the table is counted as the program made it, with errors, operations and events") {
  check_truth({"polls", "io"}, kCountsOnly);
}

TEST_CASE("measuring latency counts the same") { check_truth({"polls", "io"}, kWithLatency); }

TEST_CASE("poll, select and their relatives count what they were asked for and what they brought") {
  check_truth({"sets", "polls"}, kCountsOnly);
  check_truth({"sets", "polls"}, kWithLatency);
}

TEST_CASE("batches, transfers without a buffer, and calls on sockets beside the table are counted") {
  check_truth({"batches", "io"}, kCountsOnly);
}

TEST_CASE("a burst of one busy thread is counted completely") { check_truth({"burst", "burst"}, kWithLatency); }

TEST_CASE("all threads are counted, those that live together and those that follow each other") {
  for (const SourceOptions& options : {kCountsOnly, kWithLatency}) {
    const CountedRun result = run({kTraced, "crowd"}, options);
    CHECK(row_of(result.counts, Syscall::epoll_pwait).count == 8 * 500 + 32 * 20);
    CHECK(number_after(result.output, "wrong") == 0);
  }
}

TEST_CASE("with forks followed, children and grandchildren are counted") {
  for (const SourceOptions& options : {kCountsOnly, kWithLatency}) {
    const CountedRun result = run({kTraced, "family"}, options, true);
    CHECK(row_of(result.counts, Syscall::epoll_pwait).count == 1300);
    CHECK(row_of(result.counts, Syscall::epoll_create1).count == 13);
    CHECK(result.counts.waits[1].empty == 1300);
  }
}

TEST_CASE("with forks followed, a program that a child executes is counted") {
  check_truth({"polls", "execs"}, kWithLatency, true);
}

TEST_CASE("with forks followed, children that nobody is to trace are counted") {
  check_truth({"untraced", "io"}, kCountsOnly, true);
}

TEST_CASE("without following forks, children run undisturbed and are not counted") {
  const CountedRun result = run({kTraced, "family"}, kCountsOnly, false);
  CHECK(number_after(result.output, "call epoll_pwait") == 1300);
  CHECK(row_of(result.counts, Syscall::epoll_pwait).count == 100);
  CHECK(result.counts.forks_left == 6);
  CHECK(run({kTraced, "crowd"}, kCountsOnly, false).counts.forks_left == 0);
}

TEST_CASE("a call that a signal restarts counts twice, once with ERESTARTSYS") {
  check_truth({"restart"}, kWithLatency);
}

TEST_CASE("a wait is one call whatever signals come that the program ignores") {
  check_truth({"ignored"}, kCountsOnly);
  check_truth({"ignored", "restart"}, kWithLatency, true);
}

TEST_CASE("a sleep that is stopped and goes on is one call with the whole time") {
  check_truth({"stopped"}, kCountsOnly, true);
  const CountedRun result = check_truth({"stopped"}, kWithLatency, true);
  for (const Syscall sleep : {Syscall::nanosleep, Syscall::futex}) {
    CHECK(row_of(result.counts, sleep).returned == 1);
    CHECK(row_of(result.counts, sleep).total_ns.value() >= 300'000'000);
  }
}

TEST_CASE("epoll_pwait that a signal ends is counted with EINTR") {
  const CountedRun result = run({kTraced, "interrupts", "500"}, kWithLatency);
  const auto& waits = row_of(result.counts, Syscall::epoll_pwait);
  CHECK(waits.count == 500);
  CHECK(waits.errors == std::map<int, std::uint64_t>{{EINTR, 500}});
}

TEST_CASE("a thread that executes a program takes the counting along") {
  for (int i = 0; i < 10; ++i) {
    const CountedRun result = run({kTraced, "thread-exec", kCalls, "polls", "io"}, kWithLatency);
    CHECK(differences(result.counts, parse_truth(result.output).counts) == kNoDifference);
  }
}

TEST_CASE("programs started by posix_spawn and vfork are counted") {
  const CountedRun result = run({kTraced, "spawn", kCalls, "polls", "io"}, kCountsOnly, true);
  CHECK(differences(result.counts, parse_truth(result.output).counts) == kNoDifference);
}

TEST_CASE("calls of the 32-bit interface are lost, not counted under another name") {
  auto plain = run_plainly({kCalls, "compat"});
  REQUIRE(plain);
  if (plain->find("uncounted") == std::string::npos) NETPOLL_SKIP("this kernel has no 32-bit interface");
  check_truth({"compat", "io"}, kCountsOnly);
}

TEST_CASE("calls that the target's own seccomp filter refuses are counted with their error") {
  check_truth({"io", "refused"}, kCountsOnly);
}

TEST_CASE("strace -c -f sees the same calls and errors") {
  compare_with_strace({kCalls, "polls", "io", "execs", "restart", "burst"}, all_syscalls());
}

TEST_CASE("strace -c -f sees the same of an ordinary dynamic program") {
  compare_with_strace({"/bin/sh", "-c", "cat /etc/hostname | wc -c; ls / > /dev/null; exec true"},
                      {Syscall::write, Syscall::close, Syscall::futex});
}

TEST_CASE("times add up: every returned call is in one bucket, and waits last as long as asked") {
  const CountedRun result = check_truth({"polls", "io"}, kWithLatency);
  CHECK(faults_of_times(result.counts) == std::vector<std::string>());
  // Two waits of a millisecond each.
  CHECK(*row_of(result.counts, Syscall::epoll_pwait).total_ns >= 2'000'000);
}

TEST_CASE("without latency, times are unknown rather than zero") {
  const CountedRun result = check_truth({"polls"}, kCountsOnly);
  for (const auto& row : result.counts.syscalls) {
    CHECK_FALSE(row.total_ns);
    CHECK_FALSE(row.latency);
  }
}

TEST_CASE("tracepoints are unknown to ptrace") {
  const CountedRun result = check_truth({"polls"}, kCountsOnly);
  for (const auto& hits : result.counts.tracepoints) CHECK_FALSE(hits);
}

TEST_CASE("the target does not notice that it shares a CPU with the tracer") {
  for (const char* scenario : {"affinity", "pinned"}) {
    const CountedRun result = run({kTraced, scenario, "20"}, kCountsOnly);
    CHECK(number_after(result.output, "narrowed") == 0);
    CHECK(number_after(result.output, "wrong") == 0);
    CHECK(row_of(result.counts, Syscall::epoll_pwait).count ==
          static_cast<std::uint64_t>(number_after(result.output, "call epoll_pwait")));
  }
}

}  // namespace netpoll::test
