// attach_cost: how long one attachment to many processes takes, as JSON on stdout.
//
// The processes sleep. Each round makes a source, which loads its programs, attaches it to all of them at once, reads
// the counts of each and leaves; wall time, and the time that the CPU worked for us.
//
//   attach_cost [--rounds N] [--processes N] [--apart 0|1]
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "probes/source.h"
#include "tests/bench/bench.h"
#include "tests/bench/spread.h"

namespace {

using netpoll::bench::spread;
using netpoll::probes::Backend;
using netpoll::probes::Target;

double clock_ms(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// One step, measured in every round.
struct Step {
  std::vector<double> wall_ms, cpu_ms;

  template <typename F>
  auto measure(F&& step) {
    const double wall = clock_ms(CLOCK_MONOTONIC), cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    auto result = step();
    cpu_ms.push_back(clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    wall_ms.push_back(clock_ms(CLOCK_MONOTONIC) - wall);
    if (!result) {
      std::fprintf(stderr, "attach_cost: %s\n", result.error().message().c_str());
      std::exit(1);
    }
    return result;
  }

  nlohmann::ordered_json json() const { return {{"wall_ms", spread(wall_ms)}, {"cpu_ms", spread(cpu_ms)}}; }
};

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t rounds = 15, processes = 500, apart = 1;
  netpoll::bench::read_flags(argc, argv, {{"--rounds", rounds, 1}, {"--processes", processes, 1}, {"--apart", apart}});
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  std::vector<Target> targets;
  for (std::size_t i = 0; i < processes; ++i) {
    const pid_t pid = ::fork();
    if (pid < 0) {
      std::perror("attach_cost: fork");
      return 1;
    }
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) ::pause();
    }
    targets.push_back({.pid = pid});
  }

  Step load, attach, read, detach;
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::size_t told_apart = apart != 0 ? processes : 1;
    auto source =
        load.measure([&] { return netpoll::probes::make_source(Backend::kEbpf, {.targets = told_apart}, nullptr); });
    (void)attach.measure([&] { return (*source)->attach(targets); });
    (void)read.measure([&] { return (*source)->read_each(); });
    (void)detach.measure([&] {
      source->reset();
      return netpoll::Result<void>();
    });
  }
  for (const Target& target : targets) {
    ::kill(target.pid, SIGKILL);
    ::waitpid(target.pid, nullptr, 0);
  }

  auto out = netpoll::bench::new_document("attach_cost");
  out["processes"] = processes;
  out["apart"] = apart != 0;
  out["rounds"] = rounds;
  out["results"] = {
      {"load", load.json()}, {"attach", attach.json()}, {"read_each", read.json()}, {"leave", detach.json()}};
  std::printf("%s\n", out.dump(2).c_str());
  return 0;
}
