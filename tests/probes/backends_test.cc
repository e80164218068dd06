// The back ends beside each other: the same counts, and the choice between them.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "probes/process/threads.h"
#include "probes/source.h"
#include "tests/probes/counted_run.h"
#include "tests/probes/truth.h"
#include "tests/probes/wait_for_end.h"
#include "tests/support/another_user.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/prey.h"
#include "tests/support/skip.h"

namespace netpoll::test {
namespace {

using probes::Backend;
using probes::make_source;

constexpr const char* kCalls = NETPOLL_KNOWN_CALLS;

// What source says of prey, which waits, and what it says when prey was told to go on and has ended.
struct Told {
  probes::Counts open;
  probes::Counts ended;
  std::string said;  // by prey
};
Told told_of(probes::Source& source, Prey& prey) {
  REQUIRE(source.attach({.pid = prey.pid()}));
  const auto open = source.read();
  prey.poke();
  std::string said = prey.rest();
  wait_for_end(source);
  const auto ended = source.read();
  REQUIRE((open && ended));
  return {.open = *open, .ended = *ended, .said = std::move(said)};
}

// Of a wait that was under way at the attach: `seen` such waits, none of which is ever a call.
void check_wait(const Told& told, probes::Syscall syscall, std::uint64_t seen) {
  INFO(probes::syscall_name(syscall));
  const auto& before = told.open.syscalls[static_cast<std::size_t>(syscall)];
  const auto& after = told.ended.syscalls[static_cast<std::size_t>(syscall)];
  CHECK(before.count == 0);
  CHECK(before.in_flight.count == seen);
  CHECK(before.in_flight.before == seen);
  CHECK(after.count == 0);
  CHECK(after.returned == 0);
  CHECK(after.errors.empty());
  CHECK(after.in_flight.count == 0);
  CHECK(*after.window_ns >= before.in_flight.longest_ns);
  CHECK(*after.total_ns == 0);
}

}  // namespace

TEST_CASE("eBPF and ptrace give the same counts of the same program") {
  const std::vector<std::string> command = {kCalls, "polls", "io", "burst", "restart", "execs"};
  std::vector<probes::Counts> counts;
  for (const Backend backend : {Backend::kEbpf, Backend::kPtrace}) {
    auto source = make_source(backend, {.latency = false}, nullptr);
    // Without one of them there is nothing to compare; any other failure is one.
    if (!source && (source.error().is(ErrorKind::kPermission) || source.error().is(ErrorKind::kNotSupported))) {
      NETPOLL_SKIP(source.error().message());
    }
    REQUIRE(source);
    auto run = run_counted(**source, command, true);
    REQUIRE(run);
    REQUIRE(run->status.success());
    counts.push_back(run->counts);
  }
  CHECK(differences(counts[1], counts[0]) == std::vector<std::string>{});
  CHECK(counts[0].lost == 0);
  CHECK(counts[1].lost == 0);
}

TEST_CASE("waits that were under way at the attach are not counted, but timed, and shown while they go on") {
  using probes::Syscall;
  std::vector<Syscall> waits = {Syscall::epoll_pwait, Syscall::epoll_pwait2, Syscall::ppoll, Syscall::pselect6,
                                Syscall::recvfrom};
#if defined(__x86_64__)
  waits.push_back(Syscall::epoll_wait);
#else
  NETPOLL_SKIP("ptrace cannot tell such waits from new ones on this architecture");
#endif
  for (const Backend backend : {Backend::kEbpf, Backend::kPtrace}) {
    INFO(probes::backend_name(backend));
    auto source = make_source(backend, {}, nullptr);
    if (!source) {
      note_skip(source.error().message());
      continue;
    }
    Prey prey({NETPOLL_TRACED, "waits"});
    REQUIRE(prey.sleeps());
    REQUIRE(eventually([&] {
      const auto threads = probes::read_threads(prey.pid());
      return std::all_of(threads.begin(), threads.end(), [](const auto& thread) { return thread.state == 'S'; });
    }));
    const Told told = told_of(**source, prey);
    CHECK(told.said.find("interrupted 0\n") != std::string::npos);
    for (const Syscall syscall : waits) check_wait(told, syscall, 1);
  }
}

TEST_CASE("a wait that went on after a stop before the attach is told by its own name, where anybody says it") {
  using probes::Syscall;
#if !defined(__x86_64__)
  NETPOLL_SKIP("poll is ppoll on this architecture, which begins anew after a stop");
#endif
  for (const Backend backend : {Backend::kEbpf, Backend::kPtrace}) {
    INFO(probes::backend_name(backend));
    auto source = make_source(backend, {}, nullptr);
    if (!source) {
      note_skip(source.error().message());
      continue;
    }
    Prey prey({NETPOLL_TRACED, "polls"});
    REQUIRE(prey.sleeps());
    const auto in_state = [&](char state) {
      return eventually([&] { return probes::read_threads(prey.pid()).at(0).state == state; });
    };
    REQUIRE(kill(prey.pid(), SIGSTOP) == 0);
    REQUIRE(in_state('T'));
    REQUIRE(kill(prey.pid(), SIGCONT) == 0);
    REQUIRE(in_state('S'));
    const Told told = told_of(**source, prey);
    CHECK(told.said == "events 1\n");
    // What restart_syscall goes on with is the kernel's to know: ptrace sees no more than that it is restart_syscall.
    check_wait(told, Syscall::poll, backend == Backend::kEbpf ? 1 : 0);
  }
}

TEST_CASE("every call of a 32-bit program that a command runs is lost, and said to be of the 32-bit interface") {
#ifndef NETPOLL_CALLS32
  NETPOLL_SKIP("no 32-bit programs are built on this architecture");
#else
  if (!run_plainly({NETPOLL_CALLS32})) NETPOLL_SKIP("this kernel runs no 32-bit programs");
  for (const Backend backend : {Backend::kEbpf, Backend::kPtrace}) {
    INFO(probes::backend_name(backend));
    auto source = make_source(backend, {}, nullptr);
    if (!source) NETPOLL_SKIP(source.error().message());
    auto run = run_counted(**source, {"/bin/sh", "-c", std::string(NETPOLL_CALLS32) + "; exit $?"}, true);
    REQUIRE(run);
    REQUIRE(run->status.success());
    // 1,000 writes, and its last call or the exec that began it.
    CHECK(run->counts.lost == 1001);
    CHECK(run->counts.foreign == 1001);
    CHECK(run->counts.syscalls[static_cast<std::size_t>(probes::Syscall::write)].count == 0);
  }
#endif
}

TEST_CASE("auto takes perf for a command where eBPF is refused, and ptrace where perf is missing, and says why") {
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    if (getuid() == 0 && !become_nobody()) _exit(1);
    std::vector<std::string> why_not;
    const auto source = make_source(Backend::kAuto, {.held = true}, &why_not);
    if (!source) _exit(2);
    if ((*source)->backend() == Backend::kEbpf) _exit(why_not.empty() ? 0 : 3);
    if (why_not.empty() || !why_not[0].starts_with("ebpf: ")) _exit(4);
    const bool perf_works = make_source(Backend::kPerf, {.held = true}, nullptr).has_value();
    if ((*source)->backend() != (perf_works ? Backend::kPerf : Backend::kPtrace)) _exit(5);
    _exit(why_not.size() == (perf_works ? 1U : 2U) && (perf_works || why_not[1].starts_with("perf: ")) ? 0 : 6);
  }
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK(status == 0);
}

TEST_CASE("auto takes ptrace for a running process where eBPF is refused, and says what refused it") {
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    if (getuid() == 0 && !become_nobody()) _exit(1);
    std::vector<std::string> why_not;
    const auto source = make_source(Backend::kAuto, {}, &why_not);
    if (!source) _exit(2);
    // An ordinary user may have been given the capabilities.
    if ((*source)->backend() == Backend::kEbpf) _exit(why_not.empty() ? 0 : 3);
    if ((*source)->backend() != Backend::kPtrace) _exit(4);
    _exit(why_not.size() == 1 && why_not[0].starts_with("ebpf: ") ? 0 : 5);
  }
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK(status == 0);
}

}  // namespace netpoll::test
