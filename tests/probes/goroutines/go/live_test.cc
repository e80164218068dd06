// Go programs that move while they are read, that are stopped for it, and that end.
#include <sys/resource.h>

#include <filesystem>
#include <map>
#include <set>

#include "probes/goroutines/go/reader.h"
#include "probes/process/proc_status.h"
#include "tests/probes/goroutines/go/go_server.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"
#include "tests/support/snapshot_of.h"

namespace {

using netpoll::ErrorKind;
using netpoll::test::GoServerTruth;
using netpoll::test::GoTruth;
using netpoll::test::has_system_go_build;
using netpoll::test::Prey;
using netpoll::test::system_go_build;
using netpoll::test::truth_of;
using netpoll::trace::Goroutine;
using netpoll::trace::GoroutineSnapshot;
using namespace netpoll::probes;

// A server with a reader that is attached to it.
struct WatchedServer {
  explicit WatchedServer(const std::vector<std::string>& command) : prey(command) {
    REQUIRE(prey.valid());
    truth = truth_of(prey);
    auto made = make_live_subject(prey.pid());
    REQUIRE(made);
    subject = std::move(*made);
    auto found = attach_go(*subject);
    REQUIRE(found);
    REQUIRE(*found);
    attached = std::move(*found);
  }
  auto& reader() { return *attached; }

  Prey prey;
  GoServerTruth truth;
  std::unique_ptr<Subject> subject;
  std::unique_ptr<Reader> attached;
};

// Everything that stands still is there, and is what the program says, whatever moves beside it.
void check_what_stood_still(const GoServerTruth& truth, const GoroutineSnapshot& snapshot) {
  std::map<std::uint64_t, const Goroutine*> found;
  std::set<std::uint64_t> twice;
  for (const Goroutine& g : snapshot.goroutines) {
    if (!found.emplace(g.goid, &g).second && g.stable) twice.insert(g.goid);
  }
  CHECK(twice.empty());
  for (const GoTruth& t : truth.goroutines) {
    INFO(t.what << ", goroutine " << t.goid);
    REQUIRE(found.contains(t.goid));
    const Goroutine& g = *found.at(t.goid);
    CHECK(g.stable);
    // A call that a stop interrupted starts anew, so that the next stop may find its thread between the two.
    const bool between_calls = snapshot.paused_ns > 0 && !g.io_wait && !g.fd;
    if (t.fd >= 0 && !between_calls) CHECK(g.fd == t.fd);
    CHECK(g.io_wait == !t.mode.empty());
    CHECK(g.stack_ends_early.empty());
    CHECK(std::map<std::string, std::string>(g.labels.begin(), g.labels.end()) == t.labels);
  }
  // Whatever moves has a state and runs code of this program, or says why nothing is known of it.
  for (const Goroutine& g : snapshot.goroutines) {
    if (!g.stable) continue;
    CHECK(g.goid != 0);
    CHECK((!g.stack.empty() || !g.stack_ends_early.empty()));
  }
}

}  // namespace

TEST_CASE("what stands still is found beside goroutines that start and end all the time") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  WatchedServer server({system_go_build(), "churn"});
  std::size_t moving = 0;
  for (int i = 0; i < 100; ++i) {
    const auto snapshot = server.reader().read({});
    REQUIRE(snapshot);
    check_what_stood_still(server.truth, *snapshot);
    moving += snapshot->goroutines.size() - server.truth.goroutines.size();
  }
  CHECK(moving > 100);
  server.prey.kill();
}

TEST_CASE("a stopped Go program is read in one moment and runs on") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  WatchedServer server({system_go_build(), "churn"});
  ReadOptions options;
  options.pause = true;
  for (int i = 0; i < 10; ++i) {
    const auto snapshot = server.reader().read(options);
    if (!snapshot && snapshot.error().is(ErrorKind::kPermission)) NETPOLL_SKIP(snapshot.error().message());
    REQUIRE(snapshot);
    CHECK(snapshot->paused_ns > 0);
    CHECK(snapshot->paused_ns < snapshot->took_ns);
    check_what_stood_still(server.truth, *snapshot);
    CHECK(status_number(server.prey.pid(), "TracerPid") == 0);
  }
  server.prey.kill();
}

TEST_CASE("a Go program that ended is not found any more") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  WatchedServer server({system_go_build()});
  REQUIRE(server.reader().read({}));
  server.prey.finish();
  const auto snapshot = server.reader().read({});
  REQUIRE_FALSE(snapshot);
  CHECK(snapshot.error().is(ErrorKind::kNotFound));
}

TEST_CASE("10,000 goroutines in IO wait are all found, with their descriptors from both sources") {
  if (!has_system_go_build()) NETPOLL_SKIP("no Go program: there is no Go");
  constexpr std::size_t kMany = 10'000;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < kMany + 100) NETPOLL_SKIP("fewer than 10,100 descriptors are allowed");
  Prey server({"/bin/sh", "-c", "ulimit -n 10100 && exec " + system_go_build() + " many 10000"});
  REQUIRE(server.valid());
  const GoServerTruth truth = truth_of(server);
  std::map<std::uint64_t, int> fds;
  for (const GoTruth& t : truth.goroutines) fds[t.goid] = t.fd;
  REQUIRE(fds.size() == kMany);
  const auto snapshot = netpoll::test::snapshot_of(server.pid());
  REQUIRE(snapshot);
  std::map<std::uint64_t, int> found;
  for (const Goroutine& g : snapshot->goroutines) {
    if (!g.io_wait || !g.fd) continue;
    found[g.goid] = *g.fd;
    CHECK(g.fd_source == netpoll::trace::FdSource::kBoth);
    CHECK(g.stack.size() >= 8);
  }
  CHECK(found == fds);
  // Thousands of goroutines stand in the same few places.
  CHECK(snapshot->frames.size() < 200);
  server.finish();
}
