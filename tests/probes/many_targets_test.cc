// One source for several processes: each is counted exactly, by itself and in the sum.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "probes/process/proc_status.h"
#include "probes/source.h"
#include "tests/probes/truth.h"
#include "tests/probes/wait_for_end.h"
#include "tests/support/catch.h"
#include "tests/support/prey.h"
#include "tests/support/skip.h"

namespace netpoll::test {
namespace {

using probes::Backend;
using probes::Counts;
using probes::Source;
using probes::Target;

constexpr const char* kCalls = NETPOLL_KNOWN_CALLS;

// Three kinds of work, so that neighbours differ.
std::vector<std::string> command_of(std::size_t i) {
  const std::vector<std::vector<std::string>> kinds = {{"polls"}, {"io"}, {"polls", "io", "polls"}};
  std::vector<std::string> command = {kCalls, "await"};
  command.insert(command.end(), kinds[i % 3].begin(), kinds[i % 3].end());
  return command;
}

// Every Prey has three descriptors of ours, and a source one more.
bool may_open(std::size_t descriptors) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < descriptors) return false;
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, descriptors);
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

std::unique_ptr<Source> source_or_skip(Backend backend, const probes::SourceOptions& options) {
  auto source = probes::make_source(backend, options, nullptr);
  if (source) return std::move(*source);
  note_skip(source.error().message());
  return nullptr;
}

// Attaches once to `count` processes, lets them work and end, and compares each with what it says that it did.
void count_each(Backend backend, std::size_t count, std::size_t counted_apart) {
  auto source = source_or_skip(backend, {.tracepoints = false, .targets = counted_apart});
  if (!source) return;
  std::vector<std::unique_ptr<Prey>> prey;
  std::vector<Target> targets;
  for (std::size_t i = 0; i < count; ++i) {
    prey.push_back(std::make_unique<Prey>(command_of(i)));
    REQUIRE(prey.back()->valid());
    targets.push_back({.pid = prey.back()->pid()});
  }
  for (const auto& one : prey) REQUIRE(one->sleeps());
  const auto attached = source->attach(targets);
  INFO((attached ? "" : attached.error().message()));
  REQUIRE(attached);
  for (const auto& one : prey) one->poke();

  std::vector<Counts> truths;
  for (const auto& one : prey) truths.push_back(parse_truth(one->rest()).counts);
  wait_for_end(*source);
  auto each = source->read_each();
  REQUIRE(each);
  CHECK(each->size() == std::min(count, counted_apart));
  Counts expected;
  for (std::size_t i = 0; i < count; ++i) {
    probes::add_counts(expected, truths[i]);
    const auto found = each->find(targets[i].pid);
    if (found == each->end()) continue;
    INFO("process " << i);
    CHECK(differences(found->second, truths[i]) == std::vector<std::string>{});
    CHECK(found->second.lost == 0);
  }
  const auto sum = source->read();
  REQUIRE(sum);
  CHECK(differences(*sum, expected) == std::vector<std::string>{});
  CHECK(sum->lost == 0);
}

// The process and all that descend from it.
std::vector<pid_t> family_of(pid_t root) {
  std::vector<pid_t> family = {root};
  for (std::size_t i = 0; i < family.size(); ++i) {
    for (const pid_t pid : probes::process_ids()) {
      if (probes::parent_of(pid) == family[i]) family.push_back(pid);
    }
  }
  return family;
}

bool sleeps(pid_t pid) {
  std::string stat;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/stat"), stat);
  const auto end = stat.rfind(')');
  return end != std::string::npos && stat.compare(end, 3, ") S") == 0;
}

}  // namespace

TEST_CASE("one attachment counts each of 500 processes exactly") {
  if (!may_open(3000)) NETPOLL_SKIP("too few descriptors are allowed for 500 processes (ulimit -n)");
  count_each(Backend::kEbpf, 500, 500);
}

TEST_CASE("processes beyond those that are counted apart are in the sum") { count_each(Backend::kEbpf, 7, 3); }

TEST_CASE("one attachment of ptrace counts each of several processes exactly") { count_each(Backend::kPtrace, 9, 9); }

TEST_CASE("children that exist when we attach are counted where forks are followed, and else not") {
  for (const Backend backend : {Backend::kEbpf, Backend::kPtrace}) {
    for (const bool follow : {true, false}) {
      INFO(probes::backend_name(backend) << " follow " << follow);
      auto source = source_or_skip(backend, {.tracepoints = false});
      if (!source) continue;
      Prey parent({kCalls, "family"});
      REQUIRE(parent.sleeps());
      const std::vector<pid_t> family = family_of(parent.pid());
      REQUIRE(family.size() == 5);
      REQUIRE(eventually([&] { return std::all_of(family.begin(), family.end(), sleeps); }));
      REQUIRE(source->attach({.pid = parent.pid(), .follow_forks = follow}));
      parent.poke();
      const Truth truth = parse_truth(parent.rest());
      wait_for_end(*source);
      const auto counts = source->read();
      REQUIRE(counts);
      if (follow) {
        CHECK(differences(*counts, truth.counts) == std::vector<std::string>{});
      } else {
        CHECK(counts->ctl_add == 0);
      }
      CHECK(counts->lost == 0);
    }
  }
}

TEST_CASE("a target that is a child of another is counted once, by itself") {
  for (const Backend backend : {Backend::kEbpf, Backend::kPtrace}) {
    INFO(probes::backend_name(backend));
    auto source = source_or_skip(backend, {.tracepoints = false, .targets = 2});
    if (!source) continue;
    Prey parent({kCalls, "family"});
    REQUIRE(parent.sleeps());
    const std::vector<pid_t> family = family_of(parent.pid());
    REQUIRE(family.size() == 5);
    REQUIRE(eventually([&] { return std::all_of(family.begin(), family.end(), sleeps); }));
    const std::vector<Target> targets = {{.pid = family[0], .follow_forks = true},
                                         {.pid = family[1], .follow_forks = true}};
    REQUIRE(source->attach(targets));
    parent.poke();
    const Truth truth = parse_truth(parent.rest());
    wait_for_end(*source);
    const auto each = source->read_each();
    REQUIRE(each);
    REQUIRE(each->size() == 2);
    Counts both = each->at(family[0]);
    probes::add_counts(both, each->at(family[1]));
    CHECK(differences(both, truth.counts) == std::vector<std::string>{});
    // Each of the four descendants does as much; two of them are the second target and its child.
    CHECK(each->at(family[0]).ctl_add == truth.counts.ctl_add / 2);
    CHECK(each->at(family[1]).ctl_add == truth.counts.ctl_add / 2);
  }
}

TEST_CASE("no target of several stays attached when one cannot be") {
  for (const Backend backend : {Backend::kEbpf, Backend::kPtrace, Backend::kNone}) {
    INFO(probes::backend_name(backend));
    auto source = source_or_skip(backend, {.targets = 2});
    if (!source) continue;
    Prey child({kCalls, "await"});
    REQUIRE(child.sleeps());
    auto gone = probes::launch({.argv = {"/bin/true"}});
    REQUIRE(gone);
    const pid_t pid = gone->pid();
    REQUIRE(gone->resume());
    REQUIRE(gone->wait(-1));
    const std::vector<Target> targets = {{.pid = child.pid()}, {.pid = pid}};
    const auto attached = source->attach(targets);
    REQUIRE_FALSE(attached);
    CHECK(attached.error().is(ErrorKind::kNotFound));
    CHECK(attached.error().message().find(std::to_string(pid)) != std::string::npos);
    CHECK(probes::status_number(child.pid(), "TracerPid") == 0);
  }
}

TEST_CASE("waiting for several ends with the last of them") {
  for (const Backend backend : {Backend::kEbpf, Backend::kPtrace, Backend::kNone}) {
    INFO(probes::backend_name(backend));
    auto source = source_or_skip(backend, {.targets = 2});
    if (!source) continue;
    Prey first({kCalls, "await"}), second({kCalls, "await"});
    REQUIRE(first.sleeps());
    REQUIRE(second.sleeps());
    const std::vector<Target> targets = {{.pid = first.pid()}, {.pid = second.pid()}};
    REQUIRE(source->attach(targets));
    first.poke();
    first.rest();
    const auto one_left = source->wait(0, -1);
    REQUIRE(one_left);
    CHECK(*one_left);
    second.poke();
    second.rest();
    wait_for_end(*source);
  }
}

}  // namespace netpoll::test
