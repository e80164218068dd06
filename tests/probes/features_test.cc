// What doctor finds out, against what the back ends do.
#include "probes/features.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "probes/source.h"
#include "tests/support/catch.h"

namespace netpoll::probes {

TEST_CASE("every feature says what it is for, and what is missing says why") {
  const Features features = probe_features(::getpid());
  std::set<std::string> names;
  for (const auto* list : {&features.machine, &features.target}) {
    for (const Feature& feature : *list) {
      INFO(feature.name << ": " << feature.why_not);
      CHECK(names.insert(feature.name).second);
      CHECK_FALSE(feature.purpose.empty());
      CHECK(feature.why_not.empty() == feature.ok);
      if (feature.ok) CHECK(feature.fix.empty());
      CHECK(features.find(feature.name) == &feature);
    }
  }
  for (const char* name :
       {"ebpf_build", "kernel_btf", "ebpf_counts", "usdt", "perf_counts", "ptrace", "read_memory", "tracefs",
        "open_files", "target_exists", "target_countable", "target_memory", "target_untraced", "target_usdt"}) {
    CHECK(names.count(name) == 1);
  }
  CHECK(features.find("teleport") == nullptr);
}

TEST_CASE("our own process is there, countable and open to us") {
  const Features features = probe_features(::getpid());
  for (const char* name : {"target_exists", "target_countable", "target_memory"}) {
    INFO(name);
    CHECK(features.find(name)->ok);
  }
}

TEST_CASE("a process that does not exist has no other features") {
  const Features features = probe_features(-1);
  REQUIRE(features.target.size() == 1);
  CHECK(features.target[0].name == "target_exists");
  CHECK_FALSE(features.target[0].ok);
}

TEST_CASE("without a pid there are no target features") { CHECK(probe_features(std::nullopt).target.empty()); }

TEST_CASE("what the trials find agrees with what the back ends do") {
  const Features features = probe_features(std::nullopt);
  CHECK(features.find("ebpf_counts")->ok == make_source(Backend::kEbpf, {}, nullptr).has_value());
}

TEST_CASE("trials leave no child behind") {
  probe_features(::getpid());
  errno = 0;
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

}  // namespace netpoll::probes
