// The reader of Go programs against what the programs say of themselves: their own truth, and Go's own dump.
#include "probes/goroutines/go/reader.h"

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <set>

#include "tests/probes/goroutines/go/go_server.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"
#include "tests/support/snapshot_of.h"

namespace {

using netpoll::test::as_dumped;
using netpoll::test::DumpFrame;
using netpoll::test::DumpGoroutine;
using netpoll::test::go_builds;
using netpoll::test::GoBuild;
using netpoll::test::GoServerTruth;
using netpoll::test::GoTruth;
using netpoll::test::Prey;
using netpoll::test::shown_stack;
using netpoll::test::snapshot_of;
using netpoll::test::truth_of;
using netpoll::trace::FdSource;
using netpoll::trace::Goroutine;
using netpoll::trace::GoroutineSnapshot;
using netpoll::trace::IoMode;

std::string text(const std::vector<DumpFrame>& stack) {
  std::string result;
  for (const DumpFrame& f : stack) result += f.function + " " + f.file + ":" + std::to_string(f.line) + "\n";
  return result;
}

std::int64_t unix_now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::map<std::uint64_t, const Goroutine*> by_goid(const GoroutineSnapshot& snapshot) {
  std::map<std::uint64_t, const Goroutine*> found;
  for (const Goroutine& g : snapshot.goroutines) found[g.goid] = &g;
  return found;
}

void check_wait(const GoTruth& truth, const Goroutine& g) {
  if (truth.fd >= 0) {
    CHECK(g.fd == truth.fd);
    CHECK_FALSE(g.other_fd.has_value());
  }
  if (!truth.mode.empty()) {
    CHECK(g.io_wait);
    CHECK(g.mode == (truth.mode == "read" ? IoMode::kRead : IoMode::kWrite));
    CHECK(g.fd_source == FdSource::kBoth);
    CHECK_FALSE(g.becoming_ready);
    CHECK(g.deadline_in_ns.has_value() == (truth.deadline_unix_ns != 0));
    if (g.deadline_in_ns && truth.deadline_unix_ns != 0) {
      CHECK(std::llabs(unix_now() + *g.deadline_in_ns - truth.deadline_unix_ns) < 1'000'000'000);
    }
  }
  CHECK(std::map<std::string, std::string>(g.labels.begin(), g.labels.end()) == truth.labels);
  if (truth.what.starts_with("tcp")) CHECK(g.kind == "tcp");
  if (truth.what.starts_with("pipe")) CHECK(g.kind == "pipe");
  if (truth.what == "read in a call") {
    CHECK(g.status == "syscall");
    CHECK(g.syscall == "read");
    CHECK(g.mode == IoMode::kRead);
    CHECK(g.tid.has_value());
  }
}

void check_dumped(const GoroutineSnapshot& snapshot, const DumpGoroutine& dump, const Goroutine& g) {
  CHECK(g.stable);
  CHECK(g.stack_ends_early.empty());
  CHECK_FALSE(g.system);
  CHECK((g.wait_reason.empty() ? g.status : g.wait_reason) == dump.state);
  CHECK(g.locked_to_thread == dump.locked);
  CHECK(text(shown_stack(snapshot, g)) == text(dump.stack));
  REQUIRE(g.created_by.has_value() == dump.created_by.has_value());
  if (dump.created_by) {
    CHECK(text({as_dumped(snapshot.frames.at(*g.created_by))}) == text({*dump.created_by}));
    REQUIRE(g.entry);
    // The outermost function that is not the runtime's.
    CHECK(snapshot.frames.at(*g.entry).function == dump.stack.back().function);
  }
  CHECK(g.parent_goid == dump.parent);
}

void check_build(const GoBuild& build) {
  Prey server({build.path.string()});
  REQUIRE(server.valid());
  const GoServerTruth truth = truth_of(server);
  const auto snapshot = snapshot_of(server.pid());
  if (!snapshot) UNSCOPED_INFO(snapshot.error().message());
  REQUIRE(snapshot);
  CHECK(snapshot->language == "go");
  CHECK(snapshot->runtime_version == truth.version);
  CHECK(snapshot->interest_source == "epoll");
  CHECK(snapshot->warnings.empty());
  CHECK(snapshot->inconsistent == 0);
  REQUIRE(snapshot->runtimes.size() == 1);
  CHECK(snapshot->runtimes[0].epfd >= 0);

  const auto goroutines = by_goid(*snapshot);
  std::set<std::uint64_t> waiting_by_truth;
  std::set<std::uint64_t> waiting;
  for (const GoTruth& g : truth.goroutines) {
    INFO(g.what << ", goroutine " << g.goid);
    if (!g.mode.empty()) waiting_by_truth.insert(g.goid);
    REQUIRE(goroutines.contains(g.goid));
    check_wait(g, *goroutines.at(g.goid));
    REQUIRE(truth.dump.contains(g.goid));
    check_dumped(*snapshot, truth.dump.at(g.goid), *goroutines.at(g.goid));
  }
  for (const auto& [goid, g] : goroutines) {
    if (g->io_wait) waiting.insert(goid);
    // What Go's dump leaves out is the runtime's own.
    if (!truth.dump.contains(goid)) CHECK(g->system);
  }
  CHECK(waiting == waiting_by_truth);
  for (const auto& [goid, dumped] : truth.dump) CHECK(goroutines.contains(goid));

  // The main goroutine has gone on since the dump, to wait for us.
  const Goroutine& main = *goroutines.at(truth.main);
  CHECK(main.syscall == "read");
  CHECK(main.fd == 0);
  CHECK_FALSE(main.system);
  server.finish();
}

}  // namespace

TEST_CASE("goroutines of a Go program are what the program and its dump say") {
  const auto builds = go_builds();
  if (builds.empty()) NETPOLL_SKIP("no Go toolchain built the server");
  for (const GoBuild& build : builds) {
    if (!std::filesystem::exists(build.path)) {
      netpoll::test::note_skip("Go build " + build.name + ": not made on this machine");
      continue;
    }
    INFO("build " << build.name);
    check_build(build);
  }
}
