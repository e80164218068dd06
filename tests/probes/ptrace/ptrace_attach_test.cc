// Attaching to processes that already run, and leaving them.
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "probes/process/proc_status.h"
#include "tests/probes/ptrace/support.h"

namespace netpoll::test {
namespace {

using probes::make_ptrace_source;
using probes::Syscall;

// Reads the counts until a thread of the target has made some calls under our eyes.
bool counts_grow(probes::Source& source) {
  const auto calls = [&] { return row_of(source.read().value(), Syscall::epoll_pwait).count; };
  const std::uint64_t before = calls();
  return eventually([&] { return calls() > before + 100; });
}

bool any_thread_traced(pid_t pid) {
  for (const pid_t tid : probes::thread_ids(pid)) {
    if (probes::status_number(tid, "TracerPid").value_or(0) != 0) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("everything after attaching is counted") {
  for (const bool latency : {false, true}) {
    auto source = make_ptrace_source({.latency = latency});
    Prey child({kTraced, "await-exec", kCalls, "polls", "io", "burst", "refused"});
    REQUIRE(child.sleeps());
    REQUIRE(source->attach({.pid = child.pid()}));
    child.poke();
    const Truth truth = parse_truth(child.rest());
    wait_for_end(*source);
    const auto counts = source->read();
    REQUIRE(counts);
    CHECK(differences(*counts, truth.counts) == kNoDifference);
    CHECK(counts->lost == 0);
    source->detach();
    CHECK(differences(source->read().value(), truth.counts) == kNoDifference);
  }
}

TEST_CASE("children of a running process are counted when forks are followed, and left alone otherwise") {
  for (const bool follow : {false, true}) {
    auto source = make_ptrace_source({});
    Prey child({kTraced, "await-exec", kTraced, "family"});
    REQUIRE(child.sleeps());
    REQUIRE(source->attach({.pid = child.pid(), .follow_forks = follow}));
    child.poke();
    CHECK(number_after(child.rest(), "call epoll_pwait") == 1300);
    wait_for_end(*source);
    const auto counts = source->read();
    CHECK(row_of(counts.value(), Syscall::epoll_pwait).count == (follow ? 1300 : 100));
    CHECK(counts.value().forks_left == (follow ? 0 : 6));
  }
}

TEST_CASE("calls of the 32-bit interface of a running process are lost") {
  auto source = make_ptrace_source({});
  Prey child({kTraced, "await-exec", kCalls, "compat"});
  REQUIRE(child.sleeps());
  REQUIRE(source->attach({.pid = child.pid()}));
  child.poke();
  const Truth truth = parse_truth(child.rest());
  wait_for_end(*source);
  CHECK(source->read().value().lost == truth.uncounted);
}

TEST_CASE("a call that has begun but not returned is counted once") {
  auto source = make_ptrace_source({});
  Prey child({kTraced, "await-exec", kCalls, "hang"});
  REQUIRE(child.sleeps());
  REQUIRE(source->attach({.pid = child.pid()}));
  child.poke();
  REQUIRE(child.sleeps());
  REQUIRE(eventually([&] { return row_of(source->read().value(), Syscall::epoll_pwait).count == 1; }));
  const auto open = row_of(source->read().value(), Syscall::epoll_pwait);
  CHECK(open.in_flight.count == 1);
  CHECK(open.returned == 0);
  CHECK(open.window_ns == open.in_flight.longest_ns);
  REQUIRE(child.child().send(SIGKILL));
  wait_for_end(*source);
  const auto counts = source->read();
  const auto& wait = row_of(counts.value(), Syscall::epoll_pwait);
  CHECK(wait.count == 1);
  CHECK(wait.returned == 0);
  CHECK(wait.in_flight.count == 0);
  CHECK(wait.window_ns >= open.window_ns);
  CHECK(wait.errors.empty());
}

TEST_CASE("detaching from busy threads, again and again, leaves a process that works") {
  Prey child({kTraced, "hammer", "4"});
  REQUIRE(child.sleeps());
  for (int round = 0; round < 20; ++round) {
    auto source = make_ptrace_source({});
    REQUIRE(source->attach({.pid = child.pid()}));
    REQUIRE(counts_grow(*source));
    source->detach();
    source->detach();
    CHECK_FALSE(any_thread_traced(child.pid()));
  }
  child.poke();
  const std::string output = child.rest();
  CHECK(number_after(output, "wrong") == 0);
  CHECK(child.child().wait(0).value()->success());
}

TEST_CASE("the affinity of one busy thread is as before when we leave") {
  Prey child({kTraced, "hammer", "1"});
  REQUIRE(child.sleeps());
  const auto affinities = [&] {
    std::vector<int> counts;
    for (const pid_t tid : probes::thread_ids(child.pid())) {
      cpu_set_t cpus;
      if (sched_getaffinity(tid, sizeof cpus, &cpus) == 0) counts.push_back(CPU_COUNT(&cpus));
    }
    return counts;
  };
  const std::vector<int> before = affinities();
  for (int round = 0; round < 10; ++round) {
    auto source = make_ptrace_source({});
    REQUIRE(source->attach({.pid = child.pid()}));
    REQUIRE(counts_grow(*source));
    source.reset();
    CHECK(affinities() == before);
  }
  child.poke();
  CHECK(number_after(child.rest(), "wrong") == 0);
}

TEST_CASE("a running process does not notice that it shares a CPU with the tracer") {
  for (const char* scenario : {"affinity", "pinned"}) {
    Prey child({kTraced, "await-exec", kTraced, scenario, "20"});
    REQUIRE(child.sleeps());
    auto source = make_ptrace_source({});
    REQUIRE(source->attach({.pid = child.pid()}));
    child.poke();
    const std::string output = child.rest();
    CHECK(number_after(output, "narrowed") == 0);
    CHECK(number_after(output, "wrong") == 0);
  }
}

TEST_CASE("waits in progress do not notice that we attach and leave, nor do they notice signals that are ignored") {
#if !defined(__x86_64__)
  NETPOLL_SKIP("this architecture offers no way to restart a wait that returns EINTR");
#endif
  Prey child({kTraced, "waits"});
  REQUIRE(child.sleeps());
  // Asleep, all but the first thread in a call of its own.
  const auto all_sleep = [&] {
    for (const pid_t tid : probes::thread_ids(child.pid())) {
      if (state_of(tid) != 'S') return false;
    }
    return true;
  };
  for (int round = 0; round < 10; ++round) {
    REQUIRE(eventually(all_sleep));
    auto source = make_ptrace_source({});
    REQUIRE(source->attach({.pid = child.pid()}));
    for (const pid_t tid : probes::thread_ids(child.pid())) {
      REQUIRE(::syscall(SYS_tgkill, child.pid(), tid, SIGCHLD) == 0);
    }
    // Each has taken its signal and sleeps again.
    REQUIRE(eventually(all_sleep));
  }
  child.poke();
  CHECK(number_after(child.rest(), "interrupted") == 0);
  CHECK(child.child().wait(0).value()->success());
}

TEST_CASE("waits do not notice that we leave as soon as we have come") {
#if !defined(__x86_64__)
  NETPOLL_SKIP("this architecture offers no way to restart a wait that returns EINTR");
#endif
  Prey child({kTraced, "waits"});
  REQUIRE(child.sleeps());
  for (int round = 0; round < 50; ++round) {
    auto source = make_ptrace_source({});
    REQUIRE(source->attach({.pid = child.pid()}));
  }
  child.poke();
  CHECK(number_after(child.rest(), "interrupted") == 0);
  CHECK(child.child().wait(0).value()->success());
}

TEST_CASE("who traces us is not traced by us") {
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t self = ::getpid();
  const pid_t tracer = ::fork();
  if (tracer == 0) {
    const bool traces = ::ptrace(PTRACE_SEIZE, self, nullptr, 0) == 0;
    (void)!::write(ready[1], traces ? "y" : "n", 1);
    for (;;) ::pause();
  }
  char answer = 'n';
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  if (answer == 'y') {
    const auto attached = make_ptrace_source({})->attach({.pid = tracer});
    REQUIRE_FALSE(attached);
    CHECK(attached.error().is(ErrorKind::kPermission));
    CHECK(attached.error().hint().find("traces us") != std::string::npos);
  }
  ::kill(tracer, SIGKILL);
  ::waitpid(tracer, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  if (answer != 'y') NETPOLL_SKIP("a child may not trace its parent here");
}

TEST_CASE("a process whose first thread has left is counted") {
  Prey child({kTraced, "leaderless"});
  REQUIRE(eventually([&] { return state_of(child.pid()) == 'Z'; }));
  auto source = make_ptrace_source({});
  REQUIRE(source->attach({.pid = child.pid()}));
  CHECK(counts_grow(*source));
  source.reset();
  child.poke();
  CHECK(number_after(child.rest(), "wrong") == 0);
  CHECK(child.child().wait(-1).value()->success());
}

TEST_CASE("threads that come and go while we attach and detach are no obstacle") {
  Prey child({kTraced, "churn"});
  REQUIRE(child.sleeps());
  for (int round = 0; round < 20; ++round) {
    auto source = make_ptrace_source({});
    REQUIRE(source->attach({.pid = child.pid()}));
    REQUIRE(counts_grow(*source));
  }
  child.poke();
  const std::string output = child.rest();
  CHECK(number_after(output, "wrong") == 0);
  CHECK(child.child().wait(0).value()->success());
}

TEST_CASE("a stopped process stays stopped, and goes on when it is told to") {
  Prey child({kTraced, "await-exec", kCalls, "polls"});
  REQUIRE(child.sleeps());
  REQUIRE(child.child().send(SIGSTOP));
  REQUIRE(eventually([&] { return state_of(child.pid()) == 'T'; }));
  auto source = make_ptrace_source({});
  REQUIRE(source->attach({.pid = child.pid()}));
  child.poke();
  CHECK(source->wait(50, -1).value());
  CHECK((state_of(child.pid()) == 'T' || state_of(child.pid()) == 't'));

  SECTION("while we are attached") {
    REQUIRE(child.child().send(SIGCONT));
    const Truth truth = parse_truth(child.rest());
    wait_for_end(*source);
    CHECK(differences(source->read().value(), truth.counts) == kNoDifference);
  }
  SECTION("after we have left") {
    source->detach();
    CHECK(eventually([&] { return state_of(child.pid()) == 'T'; }));
    REQUIRE(child.child().send(SIGCONT));
    CHECK(parse_truth(child.rest()).counts.ctl_add == 7);
    CHECK(child.child().wait(0).value()->success());
  }
}

TEST_CASE("stop and continue pass through to a traced process") {
  Prey child({kTraced, "hammer", "2"});
  REQUIRE(child.sleeps());
  auto source = make_ptrace_source({});
  REQUIRE(source->attach({.pid = child.pid()}));
  for (int round = 0; round < 5; ++round) {
    REQUIRE(counts_grow(*source));
    REQUIRE(child.child().send(SIGSTOP));
    // No call is seen any more once all threads have stopped.
    REQUIRE(eventually([&] {
      const auto calls = [&] { return row_of(source->read().value(), Syscall::epoll_pwait).count; };
      const std::uint64_t before = calls();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      return calls() == before;
    }));
    REQUIRE(child.child().send(SIGCONT));
  }
  REQUIRE(counts_grow(*source));
  child.poke();
  CHECK(number_after(child.rest(), "wrong") == 0);
}

TEST_CASE("signals reach a traced process, those that end it too") {
  Prey child({kTraced, "hammer", "2"});
  REQUIRE(child.sleeps());
  auto source = make_ptrace_source({});
  REQUIRE(source->attach({.pid = child.pid()}));
  REQUIRE(counts_grow(*source));
  REQUIRE(child.child().send(SIGTERM));
  wait_for_end(*source);
  CHECK(state_of(child.pid()) == '\0');
}

TEST_CASE("wait returns when the time is over or somebody wants to stop") {
  Prey child({kTraced, "hammer", "1"});
  REQUIRE(child.sleeps());
  auto source = make_ptrace_source({});
  REQUIRE(source->attach({.pid = child.pid()}));
  CHECK(source->wait(10, -1).value());
  int pipe_fds[2];
  REQUIRE(pipe(pipe_fds) == 0);
  const Fd stop(pipe_fds[0]), say_stop(pipe_fds[1]);
  REQUIRE(write(say_stop.get(), "x", 1) == 1);
  CHECK(source->wait(-1, stop.get()).value());
  REQUIRE(child.child().send(SIGKILL));
  CHECK_FALSE(source->wait(20000, -1).value());
}

TEST_CASE("attaching to what cannot be traced says why") {
  auto source = make_ptrace_source({});
  auto child = probes::launch({.argv = {"/bin/true"}});
  REQUIRE(child);
  const pid_t gone = child->pid();
  REQUIRE(child->resume());
  REQUIRE(child->wait(-1));
  auto missing = source->attach({.pid = gone});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().is(ErrorKind::kNotFound));

  auto self = source->attach({.pid = getpid()});
  REQUIRE_FALSE(self);
  CHECK(self.error().is(ErrorKind::kPermission));
  CHECK(self.error().hint() == "a process cannot trace itself");

  pid_t tid = 0;
  std::thread([&] { tid = static_cast<pid_t>(::syscall(SYS_gettid)); }).join();
  auto thread = source->attach({.pid = tid});
  REQUIRE_FALSE(thread);
  CHECK(thread.error().is(ErrorKind::kNotFound));

  Prey prey({kTraced, "hammer", "1"});
  REQUIRE(prey.sleeps());
  auto first = make_ptrace_source({});
  REQUIRE(first->attach({.pid = prey.pid()}));
  auto second = source->attach({.pid = prey.pid()});
  REQUIRE_FALSE(second);
  CHECK(second.error().is(ErrorKind::kPermission));
  CHECK(second.error().hint().find("traces it already") != std::string::npos);
  CHECK(counts_grow(*first));

  auto unprepared = probes::launch({.argv = {"/bin/true"}});
  REQUIRE(unprepared);
  auto refused = source->attach({.pid = unprepared->pid(), .held = true});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().is(ErrorKind::kInvalid));
}

}  // namespace netpoll::test
