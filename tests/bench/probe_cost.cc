// probe_cost: what the back ends cost, as JSON on stdout.
//
// A pinned process calls epoll_wait(timeout 0) in a loop, once as the target of a back end and once as a bystander of
// it. Every round measures all configurations in a new random order, and each is compared with the bare loop of the
// same round: machines like ours drift by more than the differences are.
//
//   probe_cost [--rounds N] [--calls N] [--seed N]
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "probes/source.h"
#include "tests/bench/bench.h"
#include "tests/bench/probe_floor.h"
#include "tests/bench/spread.h"

namespace {

using netpoll::Result;
using netpoll::bench::spread;
using netpoll::probes::Backend;
using netpoll::probes::Source;
using netpoll::probes::SourceOptions;
using Clock = std::chrono::steady_clock;

double cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double ns_since(Clock::time_point start) {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

// A child that makes as many calls as it is told over a pipe and answers with the nanoseconds they took.
class Loop {
 public:
  Loop() {
    int to[2], from[2];
    if (::pipe(to) != 0 || ::pipe(from) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(to[1]);
      ::close(from[0]);
      serve(to[0], from[1]);
      ::_exit(0);
    }
    ::close(to[0]);
    ::close(from[1]);
    to_ = to[1];
    from_ = from[0];
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    ::close(to_);
    ::close(from_);
    ::waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }

  // Nanoseconds per call.
  double run(std::uint64_t calls) {
    double ns = 0;
    if (::write(to_, &calls, sizeof(calls)) != sizeof(calls) || ::read(from_, &ns, sizeof(ns)) != sizeof(ns)) {
      std::abort();
    }
    return ns / static_cast<double>(calls);
  }

 private:
  static void serve(int commands, int answers) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    ::sched_setaffinity(0, sizeof(cpus), &cpus);
    const int epfd = ::epoll_create1(0);
    epoll_event event;
    std::uint64_t calls = 0;
    while (::read(commands, &calls, sizeof(calls)) == sizeof(calls)) {
      const double start = cpu_ns();
      for (std::uint64_t i = 0; i < calls; ++i) ::epoll_wait(epfd, &event, 1, 0);
      const double ns = cpu_ns() - start;
      if (::write(answers, &ns, sizeof(ns)) != sizeof(ns)) return;
    }
  }

  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
};

struct Config {
  std::string name;
  Backend backend;  // kAuto: the floor
  SourceOptions options;
  bool follow_forks = false;
  std::vector<double> target, bystander, target_adds, bystander_adds, attach_ms, detach_ms;
};

Result<std::unique_ptr<Source>> make(const Config& config) {
  if (config.backend != Backend::kAuto) return netpoll::probes::make_source(config.backend, config.options, nullptr);
  auto floor = netpoll::bench::make_floor_source(config.options);
  if (floor) return floor;
  return netpoll::Error(netpoll::ErrorKind::kNotSupported, "no BPF here");
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t rounds = 15, calls = 300'000, seed = 1;
  netpoll::bench::read_flags(argc, argv, {{"--rounds", rounds, 1}, {"--calls", calls, 1}, {"--seed", seed}});

  std::vector<Config> configs = {
      {"none", Backend::kNone, {}},
      {"floor, exit", Backend::kAuto, {.latency = false}},
      {"floor, entry and exit", Backend::kAuto, {.latency = true}},
      {"ebpf counts and errno", Backend::kEbpf, {.latency = false, .tracepoints = false}},
      {"ebpf with latency histogram", Backend::kEbpf, {.latency = true, .tracepoints = false}},
      {"ebpf counts and errno, following forks", Backend::kEbpf, {.latency = false, .tracepoints = false}, true},
  };
  Loop target, bystander;
  std::mt19937_64 random(seed);
  std::vector<std::string> missing;
  std::erase_if(configs, [&](const Config& config) {
    auto source = make(config);
    if (!source) missing.push_back(config.name + ": " + source.error().message());
    return !source;
  });
  target.run(calls);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::vector<Config*> order;
    for (Config& config : configs) order.push_back(&config);
    std::shuffle(order.begin(), order.end(), random);
    for (Config* config : order) {
      auto start = Clock::now();
      auto source = make(*config);
      if (!source) {
        std::fprintf(stderr, "probe_cost: %s: %s\n", config->name.c_str(), source.error().message().c_str());
        return 1;
      }
      if (auto attached = (*source)->attach({.pid = target.pid(), .follow_forks = config->follow_forks}); !attached) {
        std::fprintf(stderr, "probe_cost: %s: %s\n", config->name.c_str(), attached.error().message().c_str());
        return 1;
      }
      config->attach_ms.push_back(ns_since(start) / 1e6);
      config->target.push_back(target.run(calls));
      config->bystander.push_back(bystander.run(calls));
      start = Clock::now();
      (*source)->detach();
      config->detach_ms.push_back(ns_since(start) / 1e6);
    }
    for (Config& config : configs) {
      config.target_adds.push_back(config.target.back() - configs[0].target.back());
      config.bystander_adds.push_back(config.bystander.back() - configs[0].bystander.back());
    }
  }

  auto out = netpoll::bench::new_document("probe_cost");
  out["call"] = "epoll_wait(timeout 0)";
  out["rounds"] = rounds;
  out["calls_per_round"] = calls;
  out["seed"] = seed;
  out["missing"] = missing;
  for (const Config& config : configs) {
    out["results"].push_back({{"name", config.name},
                              {"call_ns", spread(config.target)},
                              {"adds_ns", spread(config.target_adds)},
                              {"bystander_adds_ns", spread(config.bystander_adds)},
                              {"attach_ms", spread(config.attach_ms)},
                              {"detach_ms", spread(config.detach_ms)}});
  }
  std::printf("%s\n", out.dump(2).c_str());
  return 0;
}
