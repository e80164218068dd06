// Snapshots of real libruntime programs that go on working.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <string>
#include <utility>

#include "probes/self/self_source.h"
#include "tests/support/another_user.h"
#include "tests/support/catch.h"
#include "tests/support/prey.h"
#include "tests/support/skip.h"
#include "tests/support/snapshot_of.h"

using netpoll::test::eventually;
using netpoll::test::function_of;
using netpoll::test::Prey;
using netpoll::test::snapshot_of;
using netpoll::test::truth;
using netpoll::trace::Goroutine;
using netpoll::trace::GoroutineSnapshot;
using netpoll::trace::IoMode;
using netpoll::trace::Tp;
using namespace netpoll::probes;
using namespace std::chrono_literals;

namespace {

std::size_t tcp_readers(const GoroutineSnapshot& snapshot) {
  std::size_t n = 0;
  for (const Goroutine& g : snapshot.goroutines) {
    if (g.kind == "tcp" && g.tcp_state == "ESTABLISHED" && g.mode == IoMode::kRead) ++n;
  }
  return n;
}

// Whether every special goroutine that the program told of waits already: it tells before it parks.
bool specials_wait(const Prey& prey, const GoroutineSnapshot& snapshot) {
  for (const std::string& line : prey.lines()) {
    bool waits = false;
    for (const Goroutine& g : snapshot.goroutines) {
      waits |= std::to_string(g.goid) == truth(line, "goid") && g.status == "waiting";
    }
    if (!waits) return false;
  }
  return true;
}

// Takes snapshots until `parked` goroutines wait in reads of TCP connections.
GoroutineSnapshot snapshot_when_parked(const Prey& prey, std::size_t parked) {
  GoroutineSnapshot last;
  const bool all_parked = eventually([&] {
    auto snapshot = snapshot_of(prey.pid());
    REQUIRE(snapshot);
    last = std::move(*snapshot);
    return tcp_readers(last) == parked && specials_wait(prey, last);
  });
  if (!all_parked) FAIL(tcp_readers(last) << " of " << parked << " goroutines parked");
  return last;
}

const Goroutine* by_goid(const GoroutineSnapshot& snapshot, const std::string& goid) {
  for (const Goroutine& g : snapshot.goroutines) {
    if (std::to_string(g.goid) == goid) return &g;
  }
  return nullptr;
}

std::string reason_of(const std::string& name) {
  return name == "io" ? "IO wait" : name == "chan" ? "chan receive" : "sleep";
}

// What the program told about its special goroutines, once they had the time to park.
void check_special_goroutines(const Prey& prey, const GoroutineSnapshot& snapshot) {
  CHECK(prey.lines().size() == 7);
  for (const std::string& line : prey.lines()) {
    INFO(line);
    const Goroutine* g = by_goid(snapshot, truth(line, "goid"));
    REQUIRE(g != nullptr);
    CHECK(g->status == "waiting");
    CHECK(g->wait_reason == reason_of(truth(line, "reason")));
    CHECK(std::to_string(g->fd.value_or(-1)) == truth(line, "fd"));
    if (!g->fd) continue;
    REQUIRE(g->mode);
    CHECK((*g->mode == IoMode::kRead ? "0" : "1") == truth(line, "mode"));
    CHECK(g->deadline_in_ns.has_value() == (truth(line, "deadline") == "1"));
    CHECK(g->kind == truth(line, "kind"));
    CHECK(g->foreign_change == (truth(line, "foreign") == "1"));
    CHECK(g->tcp_state == truth(line, "state"));
    if (g->kind == "tcp") CHECK(g->local == truth(line, "local"));
  }
}

std::uint64_t count_of(const netpoll::probes::Counts& counts, Tp tp) {
  return counts.tracepoints[static_cast<std::size_t>(tp)].value_or(0);
}

}  // namespace

TEST_CASE("goroutines of a working program are found with what they wait for") {
  for (const char* program : {PARKED, PARKED "_stripped"}) {
    INFO(program);
    Prey prey({program, "20"});
    REQUIRE(prey.valid());
    const GoroutineSnapshot snapshot = snapshot_when_parked(prey, 20);
    check_special_goroutines(prey, snapshot);
    REQUIRE(snapshot.runtimes.size() == 1);
    CHECK(snapshot.runtimes[0].name == "parked");
    CHECK(snapshot.runtimes[0].procs == 2);
    CHECK(snapshot.runtimes[0].epfd >= 0);
    CHECK(snapshot.inconsistent <= 2);  // the two that play ping-pong
    // Both ends are ours: each connection is seen from either side.
    std::set<std::pair<std::string, std::string>> ends;
    for (const Goroutine& g : snapshot.goroutines) {
      if (g.tcp_state == "ESTABLISHED") ends.emplace(g.local, g.peer);
    }
    CHECK(ends.size() == 20);
    for (const auto& [local, peer] : ends) CHECK(ends.count({peer, local}) == 1);
  }
}

TEST_CASE("nobody moves while a program is paused, and it goes on afterwards") {
  Prey prey({PARKED, "20"});
  REQUIRE(prey.valid());
  const std::size_t total = snapshot_when_parked(prey, 20).goroutines.size();
  auto source = make_self_source();
  REQUIRE(source->attach({.pid = prey.pid(), .held = false, .follow_forks = false, .exe = {}}));
  for (int round = 0; round < 20; ++round) {
    auto paused = snapshot_of(prey.pid(), {.retries = 0, .pause = true});
    REQUIRE(paused);
    CHECK(paused->paused_ns > 0);
    CHECK(paused->paused_ns < paused->took_ns);
    CHECK(paused->inconsistent == 0);
    CHECK(paused->goroutines.size() >= total);  // those that play ping-pong are left out while the program runs
  }
  auto before = source->read();
  REQUIRE(before);
  const auto end = std::chrono::steady_clock::now() + 60s;
  auto after = source->read();
  while (after && count_of(*after, Tp::park) < count_of(*before, Tp::park) + 100) {
    if (std::chrono::steady_clock::now() > end) FAIL("the program does not go on");
    std::this_thread::sleep_for(1ms);
    after = source->read();
  }
  REQUIRE(after);
}

TEST_CASE("functions have names where the program has symbols") {
  Prey prey({PARKED, "2"});
  REQUIRE(prey.valid());
  const GoroutineSnapshot snapshot = snapshot_when_parked(prey, 2);
  const Goroutine* sleeper = nullptr;
  for (const Goroutine& g : snapshot.goroutines) {
    if (g.wait_reason == "sleep") sleeper = &g;
    CHECK_FALSE(function_of(snapshot, g.entry).empty());
  }
  REQUIRE(sleeper != nullptr);
  CHECK_THAT(function_of(snapshot, sleeper->entry), Catch::Matchers::Contains("start_special_goroutines"));
  CHECK_THAT(function_of(snapshot, sleeper->created_by),
             Catch::Matchers::Contains("tell_and_go") || Catch::Matchers::Contains("start_special_goroutines"));
  CHECK(sleeper->parent_goid);

  Prey stripped({PARKED "_stripped", "2"});
  REQUIRE(stripped.valid());
  const GoroutineSnapshot nameless = snapshot_when_parked(stripped, 2);
  for (const Goroutine& g : nameless.goroutines) CHECK(function_of(nameless, g.entry).empty());
}

TEST_CASE("ten thousand parked goroutines") {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < 10'100) NETPOLL_SKIP("the hard limit on open files is " + std::to_string(limit.rlim_max));
  Prey prey({PARKED, "10000"});
  REQUIRE(prey.valid());
  const GoroutineSnapshot snapshot = snapshot_when_parked(prey, 10'000);
  CHECK(snapshot.inconsistent <= 2);
  std::size_t without_peer = 0;
  for (const Goroutine& g : snapshot.goroutines) {
    if (g.tcp_state == "ESTABLISHED" && g.peer.empty()) ++without_peer;
  }
  CHECK(without_peer == 0);
  WARN("a snapshot of " << snapshot.goroutines.size() << " goroutines took " << snapshot.took_ns / 1'000'000 << " ms");
}

TEST_CASE("a user without privileges sees an own process") {
  if (geteuid() != 0) NETPOLL_SKIP("needs root, to become another user");
  // The child becomes nobody, then starts the program and looks at it: no capability is involved.
  const std::string program = netpoll::test::for_everybody(PARKED);
  const pid_t child = fork();
  if (child == 0) {
    if (!netpoll::test::become_nobody()) _exit(2);
    Prey prey({program, "2"});
    if (!prey.valid()) _exit(3);
    auto snapshot = snapshot_of(prey.pid());
    _exit(snapshot && snapshot->goroutines.size() >= 5 ? 0 : 4);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("the back end self counts each of several programs") {
  Prey first({PARKED, "20"}), second({PARKED, "5"});
  REQUIRE(first.valid());
  REQUIRE(second.valid());
  auto source = make_self_source();
  const std::vector<netpoll::probes::Target> targets = {{.pid = first.pid()}, {.pid = second.pid()}};
  REQUIRE(source->attach(targets));
  CHECK(eventually([&] {
    auto each = source->read_each();
    REQUIRE(each);
    REQUIRE(each->size() == 2);
    return count_of(each->at(first.pid()), Tp::park) >= 100 && count_of(each->at(second.pid()), Tp::park) >= 100;
  }));
  auto each = source->read_each();
  auto sum = source->read();
  REQUIRE(each);
  REQUIRE(sum);
  CHECK(count_of(*sum, Tp::park) >=
        count_of(each->at(first.pid()), Tp::park) + count_of(each->at(second.pid()), Tp::park));
  first.kill();
  auto alive = source->wait(0, -1);
  REQUIRE(alive);
  CHECK(*alive);
  second.kill();
  alive = source->wait(1000, -1);
  REQUIRE(alive);
  CHECK_FALSE(*alive);
}

TEST_CASE("the back end self counts what the program counts") {
  Prey prey({PARKED, "20"});
  REQUIRE(prey.valid());
  auto source = make_self_source();
  REQUIRE(source->attach({.pid = prey.pid(), .held = false, .follow_forks = false, .exe = {}}));
  auto first = source->read();
  REQUIRE(first);
  // Ping-pong goes on: parks and readies grow, from zero at attach.
  netpoll::probes::Counts counts = *first;
  CHECK(eventually([&] {
    auto alive = source->wait(1, -1);
    REQUIRE(alive);
    REQUIRE(*alive);
    auto read = source->read();
    REQUIRE(read);
    CHECK(count_of(*read, Tp::park) >= count_of(counts, Tp::park));
    counts = *read;
    return count_of(counts, Tp::park) >= count_of(*first, Tp::park) + 100;
  }));
  CHECK(count_of(counts, Tp::park) >= 100);
  CHECK(count_of(counts, Tp::ready) >= 100);
  for (const auto& count : counts.tracepoints) CHECK(count.has_value());
  prey.kill();
  auto alive = source->wait(1000, -1);
  REQUIRE(alive);
  CHECK_FALSE(*alive);
  auto last = source->read();
  REQUIRE(last);
  CHECK(count_of(*last, Tp::park) >= count_of(counts, Tp::park));
}

TEST_CASE("the back end self refuses a program without libruntime") {
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sleep", "sleep", "60", nullptr);
    _exit(1);
  }
  auto source = make_self_source();
  auto attached = source->attach({.pid = child, .held = false, .follow_forks = false, .exe = {}});
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  REQUIRE_FALSE(attached);
  CHECK(attached.error().is(netpoll::ErrorKind::kNotSupported));
}

TEST_CASE("a held child is counted from its first goroutine on") {
  netpoll::probes::LaunchSpec spec;
  int in[2];
  REQUIRE(pipe2(in, O_CLOEXEC) == 0);
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  spec.argv = {PARKED, "0"};
  spec.fds = {{in[0], 0}, {null, 1}};
  auto child = netpoll::probes::launch(spec);
  REQUIRE(child);
  auto source = make_self_source();
  REQUIRE(source->attach({.pid = child->pid(), .held = true, .follow_forks = false, .exe = PARKED}));
  REQUIRE(child->resume());
  // main, seven special goroutines, two that play.
  std::uint64_t created = 0;
  eventually([&] {
    REQUIRE(source->wait(5, -1));
    auto counts = source->read();
    REQUIRE(counts);
    created = count_of(*counts, Tp::go_create);
    return created >= 10;
  });
  CHECK(created == 10);
  (void)child->kill();
  for (const int fd : {in[0], in[1], null}) close(fd);
}
