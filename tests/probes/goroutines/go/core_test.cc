// Go programs read after their death, from cores of gcore and of the kernel, against what they said of themselves.
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "probes/goroutines/go/reader.h"
#include "probes/process/core/core_subject.h"
#include "probes/process/core/saved_descriptors.h"
#include "tests/probes/goroutines/go/go_server.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

namespace {

using netpoll::test::DumpFrame;
using netpoll::test::DumpGoroutine;
using netpoll::test::go_builds;
using netpoll::test::GoServerTruth;
using netpoll::test::GoTruth;
using netpoll::test::Prey;
using netpoll::test::shown_stack;
using netpoll::test::TempDir;
using netpoll::test::truth_of;
using netpoll::trace::FdSource;
using netpoll::trace::Goroutine;
using netpoll::trace::GoroutineSnapshot;
using netpoll::trace::IoMode;
using namespace netpoll::probes;

// Of the build whose name ends so; empty: there is none.
std::string build_named(const std::string& name) {
  for (const auto& build : go_builds()) {
    if (build.name == name && std::filesystem::exists(build.path)) return build.path.string();
  }
  return {};
}

void check_core(const std::string& core, const std::string& exe, pid_t pid, const GoServerTruth& truth) {
  auto subject = make_core_subject(core, exe);
  if (!subject) UNSCOPED_INFO(subject.error().message());
  REQUIRE(subject);
  CHECK((*subject)->dead_pid() == pid);
  CHECK_FALSE((*subject)->pid());
  CHECK_FALSE((*subject)->cut_short());
  auto reader = attach_go(**subject);
  if (!reader) UNSCOPED_INFO(reader.error().message());
  REQUIRE(reader);
  REQUIRE(*reader);
  const auto snapshot = (*reader)->read({});
  REQUIRE(snapshot);
  CHECK(snapshot->runtime_version == truth.version);
  CHECK(snapshot->interest_source == "stacks");
  CHECK(snapshot->inconsistent == 0);

  std::map<std::uint64_t, const Goroutine*> found;
  std::set<std::uint64_t> waiting;
  for (const Goroutine& g : snapshot->goroutines) {
    found[g.goid] = &g;
    if (g.io_wait) waiting.insert(g.goid);
    // Nothing is known of the time of death.
    CHECK_FALSE(g.wait_ns);
    CHECK_FALSE(g.wait_at_least_ns);
    CHECK_FALSE(g.deadline_in_ns);
  }
  std::set<std::uint64_t> waiting_by_truth;
  for (const GoTruth& t : truth.goroutines) {
    INFO(t.what << ", goroutine " << t.goid);
    REQUIRE(found.contains(t.goid));
    const Goroutine& g = *found.at(t.goid);
    CHECK(std::map<std::string, std::string>(g.labels.begin(), g.labels.end()) == t.labels);
    if (!t.mode.empty()) {
      waiting_by_truth.insert(t.goid);
      CHECK(g.mode == (t.mode == "read" ? IoMode::kRead : IoMode::kWrite));
      CHECK(g.fd_source == FdSource::kStack);
      if (t.fd >= 0) CHECK(g.fd == t.fd);
    }
    REQUIRE(truth.dump.contains(t.goid));
    const DumpGoroutine& dumped = truth.dump.at(t.goid);
    CHECK((g.wait_reason.empty() ? g.status : g.wait_reason) == dumped.state);
    CHECK(shown_stack(*snapshot, g) == dumped.stack);
    CHECK(g.parent_goid == dumped.parent);
  }
  CHECK(waiting == waiting_by_truth);
}

// A core_pattern that is a file name makes cores in the directory of the one that dies (core(5)).
std::string kernel_core_pattern() {
  std::ifstream file("/proc/sys/kernel/core_pattern");
  std::string pattern;
  std::getline(file, pattern);
  return pattern.find_first_of("|/%") == std::string::npos ? pattern : std::string();
}

std::optional<std::string> only_core_in(const TempDir& folder) {
  for (const std::string& name : folder.names()) {
    if (name.starts_with(kernel_core_pattern())) return folder / name;
  }
  return std::nullopt;
}

}  // namespace

// Runs a command of the shell; false when it fails.
bool shell(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

bool gcore(const Prey& prey, const std::string& prefix) {
  return shell("gcore -o '" + prefix + "' " + std::to_string(prey.pid()));
}

const Goroutine* goroutine_of(const GoroutineSnapshot& snapshot, const std::string& entry) {
  for (const Goroutine& g : snapshot.goroutines) {
    if (g.entry && snapshot.frames.at(*g.entry).function == entry) return &g;
  }
  return nullptr;
}

GoroutineSnapshot snapshot_of_core(const std::string& core, const std::string& exe, const std::string& fdinfo) {
  auto subject = make_core_subject(core, exe, fdinfo);
  if (!subject) UNSCOPED_INFO(subject.error().message());
  REQUIRE(subject);
  auto reader = attach_go(**subject);
  REQUIRE(reader);
  REQUIRE(*reader);
  auto snapshot = (*reader)->read({});
  REQUIRE(snapshot);
  return *snapshot;
}

TEST_CASE("a goroutine that runs has its stack from the registers of its thread") {
  const std::string server = build_named("system-stripped");
  if (server.empty()) NETPOLL_SKIP("no Go program: there is no Go");
  Prey prey({server, "spin"});
  REQUIRE(prey.valid());
  const auto check = [](const GoroutineSnapshot& snapshot) {
    const Goroutine* spins = goroutine_of(snapshot, "main.spin");
    REQUIRE(spins != nullptr);
    if (spins->status != "running") return false;  // the scheduler had taken it off its thread for a moment
    INFO(spins->stack_ends_early);
    CHECK(spins->stack_ends_early.empty());
    const auto stack = shown_stack(snapshot, *spins);
    std::vector<std::string> functions;
    for (const DumpFrame& frame : stack) {
      if (frame.function.starts_with("main.")) functions.push_back(frame.function);
    }
    CHECK(functions == std::vector<std::string>{"main.turn", "main.spin"});
    return true;
  };
  SECTION("of a process that was stopped for it") {
    auto subject = make_live_subject(prey.pid());
    REQUIRE(subject);
    auto reader = attach_go(**subject);
    REQUIRE(reader);
    REQUIRE(*reader);
    bool ran = false;
    const auto until = std::chrono::steady_clock::now() + netpoll::test::kPatience;
    while (!ran && std::chrono::steady_clock::now() < until) {
      const auto snapshot = (*reader)->read({.pause = true});
      if (!snapshot && snapshot.error().is(netpoll::ErrorKind::kPermission)) NETPOLL_SKIP("ptrace is not allowed here");
      REQUIRE(snapshot);
      ran = check(*snapshot);
    }
    CHECK(ran);
  }
  SECTION("in a core") {
    if (!shell("command -v gcore")) NETPOLL_SKIP("no gcore: gdb is not installed");
    bool ran = false;
    for (int cores = 0; cores < 20 && !ran; ++cores) {
      const TempDir folder;
      if (!gcore(prey, folder / "core")) NETPOLL_SKIP("gcore may not attach here");
      ran = check(snapshot_of_core(folder / "core" + "." + std::to_string(prey.pid()), "", ""));
    }
    CHECK(ran);
  }
  prey.kill();
}

TEST_CASE("what was saved of the descriptors is read back with a core") {
  const std::string server = build_named("system-stripped");
  if (server.empty()) NETPOLL_SKIP("no Go program: there is no Go");
  if (!shell("command -v gcore")) NETPOLL_SKIP("no gcore: gdb is not installed");
  Prey prey({server});
  REQUIRE(prey.valid());
  const GoServerTruth truth = truth_of(prey);
  const TempDir folder;
  const std::string saved = folder / "saved";
  REQUIRE(save_core_context(prey.pid(), saved));
  CHECK_FALSE(save_core_context(prey.pid(), saved));  // not over another one

  auto live = make_live_subject(prey.pid());
  REQUIRE(live);
  auto reader = attach_go(**live);
  REQUIRE(reader);
  const auto alive = (*reader)->read({});
  REQUIRE(alive);
  if (!gcore(prey, folder / "core")) NETPOLL_SKIP("gcore may not attach here");
  const std::string core = folder / "core" + "." + std::to_string(prey.pid());
  prey.kill();

  const auto without = snapshot_of_core(core, "", "");
  CHECK(without.interest_source == "stacks");
  const auto with = snapshot_of_core(core, "", saved);
  CHECK(with.interest_source == "fdinfo");
  const auto only_infos = snapshot_of_core(core, "", saved + "/fdinfo");
  CHECK(only_infos.interest_source == "fdinfo");

  std::map<std::uint64_t, const Goroutine*> dead;
  std::map<std::uint64_t, const Goroutine*> plain;
  for (const Goroutine& g : with.goroutines) dead[g.goid] = &g;
  for (const Goroutine& g : only_infos.goroutines) plain[g.goid] = &g;
  int waiters = 0;
  int with_peers = 0;
  for (const Goroutine& g : alive->goroutines) {
    if (!g.io_wait) continue;
    ++waiters;
    INFO("goroutine " << g.goid << ", " << g.local);
    REQUIRE(dead.contains(g.goid));
    const Goroutine& d = *dead.at(g.goid);
    CHECK(d.fd == g.fd);
    CHECK(d.mode == g.mode);
    CHECK(d.fd_source == FdSource::kBoth);
    CHECK(plain.at(g.goid)->fd_source == FdSource::kBoth);
    CHECK(plain.at(g.goid)->fd == g.fd);
    CHECK(d.kind == g.kind);
    CHECK(d.local == g.local);
    CHECK(d.tcp_state == g.tcp_state);
    if (g.kind == "tcp") CHECK(d.peer == g.peer);
    REQUIRE(d.peer_processes.size() == g.peer_processes.size());
    for (std::size_t i = 0; i < g.peer_processes.size(); ++i) {
      ++with_peers;
      CHECK(d.peer_processes[i].pid == g.peer_processes[i].pid);
      CHECK(d.peer_processes[i].fd == g.peer_processes[i].fd);
      CHECK(d.peer_processes[i].comm == g.peer_processes[i].comm);
    }
  }
  CHECK(waiters > 5);
  CHECK(with_peers > 0);

  // Of another process.
  std::ofstream(saved + "/status") << "Name:\tserver\nPid:\t1\nNSpid:\t1\n";
  const auto mistaken = make_core_subject(core, "", saved);
  REQUIRE_FALSE(mistaken);
  CHECK(mistaken.error().is(netpoll::ErrorKind::kInvalid));
}

TEST_CASE("a core of gcore is read as the living program") {
  const std::string server = build_named("system-pie");
  if (server.empty()) NETPOLL_SKIP("no Go program: there is no Go");
  if (std::system("command -v gcore >/dev/null") != 0) NETPOLL_SKIP("no gcore: gdb is not installed");
  Prey prey({server});
  REQUIRE(prey.valid());
  const GoServerTruth truth = truth_of(prey);
  const TempDir folder;
  const std::string prefix = folder / "core";
  const std::string pid = std::to_string(prey.pid());
  if (std::system(("gcore -o '" + prefix + "' " + pid + " >/dev/null 2>&1").c_str()) != 0) {
    NETPOLL_SKIP("gcore may not attach here");
  }
  check_core(prefix + "." + pid, "", prey.pid(), truth);
  prey.kill();

  // As systemd-coredump compresses it.
  for (const std::string command : {"zstd", "lz4", "gzip"}) {
    INFO(command);
    if (!shell("command -v " + command)) continue;
    const std::string packed = folder / command;
    REQUIRE(std::system((command + " -1 -c '" + prefix + "." + pid + "' > '" + packed + "'").c_str()) == 0);
    check_core(packed, "", prey.pid(), truth);
  }
}

TEST_CASE("a core of the kernel, without the pages that are in the executable, is read as the living program") {
  const std::string pattern = kernel_core_pattern();
  if (pattern.empty()) NETPOLL_SKIP("the kernel gives cores to a program, or puts them elsewhere");
  rlimit limit{};
  getrlimit(RLIMIT_CORE, &limit);
  if (limit.rlim_max != RLIM_INFINITY) NETPOLL_SKIP("the size of cores is limited");
  const std::string server = build_named("system-stripped");
  if (server.empty()) NETPOLL_SKIP("no Go program: there is no Go");
  const TempDir folder;
  // The executable is not where the core says.
  const std::string ran = folder / "ran";
  const std::string moved = folder / "moved";
  std::filesystem::copy_file(server, ran);
  Prey prey({"/bin/sh", "-c",
             "cd '" + folder.path() + "' && ulimit -c unlimited && GOTRACEBACK=crash exec '" + ran + "' 2>/dev/null"});
  REQUIRE(prey.valid());
  const GoServerTruth truth = truth_of(prey);
  const pid_t pid = prey.pid();
  REQUIRE(::kill(pid, SIGABRT) == 0);
  prey.finish();
  const auto core = only_core_in(folder);
  if (!core) NETPOLL_SKIP("the kernel left no core");
  check_core(*core, "", pid, truth);

  std::filesystem::rename(ran, moved);
  const auto without = make_core_subject(*core, "");
  REQUIRE_FALSE(without);
  CHECK(without.error().is(netpoll::ErrorKind::kNotFound));
  check_core(*core, moved, pid, truth);

  const std::string other = build_named("system-plain");
  REQUIRE_FALSE(other.empty());
  const auto mistaken = make_core_subject(*core, other);
  REQUIRE_FALSE(mistaken);
  CHECK(mistaken.error().is(netpoll::ErrorKind::kInvalid));
  CHECK(mistaken.error().message().find(other) != std::string::npos);
  CHECK(mistaken.error().message().find(*core) != std::string::npos);

  // Cut in the middle: refused, or what is missing is missing; never another answer.
  const auto whole = std::filesystem::file_size(*core);
  for (const int tenths : {9, 5, 3, 1}) {
    std::filesystem::resize_file(*core, whole / 10 * static_cast<std::uintmax_t>(tenths));
    const auto cut = make_core_subject(*core, moved);
    REQUIRE(cut);
    CHECK((*cut)->cut_short());
    auto reader = attach_go(**cut);
    if (!reader) {
      CHECK(reader.error().message().find("cut off") != std::string::npos);
      continue;
    }
    const auto snapshot = (*reader)->read({});
    if (!snapshot) continue;
    for (const Goroutine& g : snapshot->goroutines) CHECK(g.goid != 0);
  }
}
