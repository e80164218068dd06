// Counts of commands by perf events, against what they say that they did and against strace; and what is refused.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "probes/perf/perf_source.h"
#include "probes/perf/tracepoint_ids.h"
#include "tests/probes/counted_run.h"
#include "tests/probes/strace_witness.h"
#include "tests/probes/truth.h"
#include "tests/support/another_user.h"
#include "tests/support/catch.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/skip.h"

namespace netpoll::test {
namespace {

using probes::Counts;
using probes::kSyscallCount;
using probes::make_perf_source;
using probes::SourceOptions;
using probes::Syscall;
using Lines = std::vector<std::string>;

constexpr const char* kCalls = NETPOLL_KNOWN_CALLS;

const probes::SyscallCounts& row_of(const Counts& counts, Syscall syscall) {
  return counts.syscalls[static_cast<std::size_t>(syscall)];
}

// The truth as far as perf counters see it.
Counts visible(Counts counts) {
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    probes::SyscallCounts& row = counts.syscalls[i];
    const auto syscall = static_cast<Syscall>(i);
    const std::string_view call_class = probes::syscall_class(syscall);
    const int named = probes::waits_for_events(syscall) ? EINTR
                      : call_class == "io"              ? EAGAIN
                      : call_class == "ctl"             ? EEXIST
                                                        : 0;
    std::map<int, std::uint64_t> errors;
    for (const auto& [error, calls] : row.errors) errors[error == named ? error : probes::kOtherErrors] += calls;
    row.bytes = 0;
    row.errors = named == 0 ? std::map<int, std::uint64_t>() : errors;
  }
  for (Counts::Wait& wait : counts.waits) wait = {.empty = wait.empty};
  return counts;
}

// Why perf events cannot be had here; empty: they can.
std::string missing() {
  auto source = make_perf_source({.held = true});
  return source ? "" : source.error().message();
}

CountedRun run(std::vector<std::string> command, bool follow_forks, const SourceOptions& options = {.held = true}) {
  auto source = make_perf_source(options);
  if (!source) FAIL(source.error().message());
  auto run = run_counted(**source, std::move(command), follow_forks);
  if (!run) FAIL(run.error().message());
  return std::move(*run);
}

// Writes the file that an ordinary user reads, as tracefs is root's. Returns its path.
std::string keep(const probes::TracepointIds& ids, const std::string& path) {
  std::ofstream(path) << probes::learned_ids_document(ids, probes::running_kernel());
  std::filesystem::permissions(path, std::filesystem::perms(0644));
  return path;
}

// Runs it in a process of its own, which may change its user and its limits. True when it says so.
bool in_a_child(bool (*body)()) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body() ? 0 : 1);
  int status = 1;
  waitpid(pid, &status, 0);
  return status == 0;
}

}  // namespace

TEST_CASE("perf counts every call of a program, of its threads and of its children, from the first to the last") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
  for (const Lines& scenarios : {Lines{"polls", "io"}, Lines{"threads"}, Lines{"forks"}, Lines{"execs"},
                                 Lines{"burst", "stopped"}, Lines{"threads", "forks", "polls", "execs"}}) {
    Lines command{kCalls};
    command.insert(command.end(), scenarios.begin(), scenarios.end());
    INFO(scenarios[0]);
    const CountedRun counted = run(command, /*follow_forks=*/true);
    CHECK(counted.status.success());
    CHECK(differences(counted.counts, visible(parse_truth(counted.output).counts)) == Lines{});
    CHECK(counted.counts.lost == 0);
    CHECK_FALSE(counted.counts.returns_known);
    CHECK_FALSE(row_of(counted.counts, Syscall::read).total_ns);
  }
}

TEST_CASE("calls of the 32-bit interface are in no figure of perf, under no name, and it says so") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
  const auto plain = run_plainly({kCalls, "compat"});
  REQUIRE(plain);
  if (plain->find("uncounted") == std::string::npos) NETPOLL_SKIP("this kernel has no 32-bit interface");
  const CountedRun counted = run({kCalls, "compat", "io"}, /*follow_forks=*/true);
  CHECK(differences(counted.counts, visible(parse_truth(counted.output).counts)) == Lines{});
  CHECK(counted.counts.lost == 0);
  auto source = make_perf_source({.held = true});
  REQUIRE(source);
  CHECK((*source)->overhead_note().find("int $0x80") != std::string::npos);
}

TEST_CASE("without follow_forks perf counts the threads of the command and not its children") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
  const CountedRun counted = run({"/bin/sh", "-c", std::string(kCalls) + " burst; exit $?"}, /*follow_forks=*/false);
  CHECK(counted.status.success());
  CHECK(row_of(counted.counts, Syscall::epoll_pwait).count == 0);
  const CountedRun threads = run({kCalls, "threads"}, /*follow_forks=*/false);
  CHECK(differences(threads.counts, visible(parse_truth(threads.output).counts)) == Lines{});
}

TEST_CASE("perf and strace count the same calls of programs with a dynamic loader") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
  const Lines command{"/bin/sh", "-c", "ls / | cat > /dev/null; (true); exec cat /dev/null"};
  const auto witness = strace_counts(command);
  if (!witness) NETPOLL_SKIP("strace is not installed or may not trace");
  const CountedRun counted = run(command, /*follow_forks=*/true);
  for (const Syscall syscall : {Syscall::read, Syscall::write, Syscall::close}) {
    const auto row = witness->find(std::string(probes::syscall_name(syscall)));
    INFO(probes::syscall_name(syscall));
    CHECK(row_of(counted.counts, syscall).count == (row == witness->end() ? 0 : row->second.calls));
  }
}

TEST_CASE("what was not asked for has no counters") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
  SourceOptions options{.held = true};
  options.syscalls.emplace().set(static_cast<std::size_t>(Syscall::epoll_ctl));
  const CountedRun counted = run({kCalls, "polls", "io"}, true, options);
  const Counts truth = parse_truth(counted.output).counts;
  CHECK(row_of(counted.counts, Syscall::epoll_ctl).count == row_of(truth, Syscall::epoll_ctl).count);
  CHECK(counted.counts.ctl_mod == truth.ctl_mod);
  CHECK(row_of(counted.counts, Syscall::read).count == 0);
}

TEST_CASE("a program that perf cannot see into is lost, and counted as unseen") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
#ifdef NETPOLL_CALLS32
  if (run_plainly({NETPOLL_CALLS32})) {
    const CountedRun counted = run({"/bin/sh", "-c", std::string(NETPOLL_CALLS32) + "; exit $?"}, true);
    CHECK(counted.status.success());
    CHECK(counted.counts.unseen_programs == 1);
    CHECK(counted.counts.lost == 1);
    CHECK(row_of(counted.counts, Syscall::write).count == 0);
    auto source = make_perf_source({.held = true});
    REQUIRE(source);
    auto refused = run_counted(**source, {NETPOLL_CALLS32}, true);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().is(ErrorKind::kNotSupported));
  }
#endif
  if (getuid() != 0) NETPOLL_SKIP("only root can make a program that others may execute and not read");
  static std::string readable, unreadable, ids;
  readable = for_everybody(kCalls);
  unreadable = readable + "-unreadable";
  std::filesystem::copy_file(readable, unreadable);
  REQUIRE(chmod(unreadable.c_str(), 0711) == 0);
  auto known = probes::read_tracefs_ids();
  if (!known) NETPOLL_SKIP(known.error().message());
  ids = keep(*known, readable + "-ids");
  // Catch2 counts no checks of another process.
  CHECK(in_a_child([] {
    const auto fails = [](const std::string& why) {
      std::fprintf(stderr, "as an ordinary user: %s\n", why.c_str());
      return false;
    };
    setenv("NETPOLL_TRACEPOINTS", ids.c_str(), 1);
    if (!become_nobody()) return fails("setresuid");
    for (const std::string& program : {readable, unreadable}) {
      auto source = make_perf_source({.held = true});
      if (!source) return fails(source.error().message());
      auto counted = run_counted(**source, {program, "polls", "io"}, true);
      if (!counted) return fails(counted.error().message());
      const Counts seen = program == unreadable ? Counts() : visible(parse_truth(counted->output).counts);
      for (const std::string& line : differences(counted->counts, seen)) return fails(program + ": " + line);
      const std::uint64_t unseen = program == unreadable ? 1 : 0;
      if (counted->counts.unseen_programs != unseen || counted->counts.lost != unseen) return fails(program + ": lost");
    }
    return true;
  }));
}

TEST_CASE("ids that belong to other calls are found out by trying them") {
  if (getuid() != 0) NETPOLL_SKIP("an ordinary user has no ids to mix up");
  auto known = probes::read_tracefs_ids();
  if (!known) NETPOLL_SKIP(known.error().message());
  static std::string path;
  std::swap((*known)["sys_enter_read"], (*known)["sys_enter_write"]);
  path = keep(*known, for_everybody(kCalls) + "-mixed");
  CHECK(in_a_child([] {
    setenv("NETPOLL_TRACEPOINTS", path.c_str(), 1);
    if (!become_nobody()) return false;
    auto source = make_perf_source({.held = true});
    if (source) return false;
    return source.error().is(ErrorKind::kPermission) ||
           source.error().message().find("is not that of") != std::string::npos;
  }));
}

TEST_CASE("too few descriptors are an error that says so, and leave none behind") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
  CHECK(in_a_child([] {
    rlimit limit{.rlim_cur = 40, .rlim_max = 40};
    setrlimit(RLIMIT_NOFILE, &limit);
    const std::size_t before = open_descriptors();
    auto source = make_perf_source({.held = true});
    return !source && source.error().sys_errno() == EMFILE && !source.error().hint().empty() &&
           open_descriptors() == before;
  }));
}

TEST_CASE(
    "a counter too many is an error that names its tracepoint; best effort leaves whole calls out and says which") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
  // Room for the trial, and for some of the counters.
  static std::size_t room;
  {
    const std::size_t before = open_descriptors();
    auto source = make_perf_source({.held = true});
    room = open_descriptors() - before + 60;
  }
  CHECK(in_a_child([] {
    const rlim_t most = open_descriptors() + room;
    rlimit limit{.rlim_cur = most, .rlim_max = most};
    setrlimit(RLIMIT_NOFILE, &limit);
    const auto fails = [](const std::string& why) {
      std::fprintf(stderr, "with few descriptors: %s\n", why.c_str());
      return false;
    };
    auto strict = make_perf_source({.held = true});
    if (!strict) return fails(strict.error().message());
    auto refused = run_counted(**strict, {kCalls, "polls", "io"}, true);
    if (refused || refused.error().sys_errno() != EMFILE) return fails("not refused");
    if (!refused.error().message().starts_with("tracepoint sys_")) return fails(refused.error().message());
    strict->reset();
    auto source = make_perf_source({.best_effort = true, .held = true});
    if (!source) return fails(source.error().message());
    auto counted = run_counted(**source, {kCalls, "polls", "io"}, true);
    if (!counted) return fails(counted.error().message());
    const Counts truth = visible(parse_truth(counted->output).counts);
    std::size_t known = 0;
    for (std::size_t i = 0; i < kSyscallCount; ++i) {
      const probes::SyscallCounts& row = counted->counts.syscalls[i];
      if (!row.counted) continue;
      ++known;
      if (row.count != truth.syscalls[i].count || (row.errors_known && row.errors != truth.syscalls[i].errors)) {
        return fails(std::string(probes::syscall_name(static_cast<Syscall>(i))));
      }
    }
    if (known == 0 || known == kSyscallCount) return fails("known: " + std::to_string(known));
    const Lines left_out = (*source)->left_out();
    return left_out.size() == 1 && left_out[0].find("Too many open files") != std::string::npos;
  }));
}

TEST_CASE("perf tells whether something that the command started still runs") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
  CHECK(run({"/bin/sh", "-c", "sleep 0 & wait"}, true).counts.processes == 0);
  const CountedRun left = run({"/bin/sh", "-c", "sleep 60 < /dev/null > /dev/null 2>&1 & echo $!"}, true);
  const pid_t pid = std::atoi(left.output.c_str());
  REQUIRE(pid > 0);
  kill(pid, SIGKILL);
  CHECK(left.counts.processes == 1);
  CHECK_FALSE(left.counts.processes_exact);
  CHECK_FALSE(run({"/bin/sh", "-c", ":"}, /*follow_forks=*/false).counts.processes);
}

TEST_CASE("perf takes no process that runs already, and several measurements leave nothing open and no child") {
  if (const std::string why = missing(); !why.empty()) NETPOLL_SKIP(why);
  const std::size_t before = open_descriptors();
  {
    auto source = make_perf_source({.held = true});
    REQUIRE(source);
    auto attached = (*source)->attach({.pid = getpid()});
    REQUIRE_FALSE(attached);
    CHECK(attached.error().is(ErrorKind::kNotSupported));
    CHECK_FALSE(attached.error().hint().empty());
  }
  for (int i = 0; i < 3; ++i) run({kCalls, "polls"}, true);
  CHECK(open_descriptors() == before);
  CHECK((waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD));
}

}  // namespace netpoll::test
