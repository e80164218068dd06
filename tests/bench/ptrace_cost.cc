// ptrace_cost: what the back ends without privileges, ptrace and perf, cost per traced call, beside strace, as JSON on
// stdout.
//
// A process calls epoll_wait(timeout 0) in a loop: bare, as the held child of either and as the running target of
// ptrace, and under `strace -c -f --seccomp-bpf`, started plainly and with everything pinned to one CPU. Every round
// measures all configurations in a new random order and compares each with the bare loop and with the plain strace of
// the same round: machines like ours drift by more than the differences are. Counts are checked: a wrong one ends the
// run.
//
//   ptrace_cost [--rounds N] [--calls N] [--seed N]
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "probes/launch/child.h"
#include "probes/perf/perf_source.h"
#include "probes/ptrace/ptrace_source.h"
#include "tests/bench/bench.h"
#include "tests/bench/spread.h"

namespace {

using netpoll::Fd;
using netpoll::bench::spread;
using netpoll::probes::Child;
using netpoll::probes::LaunchSpec;
using netpoll::probes::Source;
using netpoll::probes::SourceOptions;
using netpoll::probes::Syscall;
using Clock = std::chrono::steady_clock;

constexpr long kWarmUp = 2000;  // calls before the clock starts: caches, and the tracer's choice of a CPU

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "ptrace_cost: %s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T must(netpoll::Result<T> result) {
  if (!result) die(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// `ptrace_cost loop CALLS THREADS`: waits for the end of standard input, makes the calls in each thread and prints the
// nanoseconds per call.
int loop(long calls, long threads) {
  char byte;
  while (::read(0, &byte, 1) > 0) {
  }
  std::vector<double> ns(static_cast<std::size_t>(threads));
  const auto body = [&](double& result) {
    const int epfd = ::epoll_create1(0);
    epoll_event event;
    for (long i = 0; i < kWarmUp; ++i) ::epoll_wait(epfd, &event, 1, 0);
    const auto start = Clock::now();
    for (long i = 0; i < calls; ++i) ::epoll_wait(epfd, &event, 1, 0);
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    result = took.count() / static_cast<double>(calls);
  };
  std::vector<std::thread> others;
  for (long i = 1; i < threads; ++i) others.emplace_back(body, std::ref(ns[static_cast<std::size_t>(i)]));
  body(ns[0]);
  for (std::thread& thread : others) thread.join();
  double sum = 0;
  for (double each : ns) sum += each;
  std::printf("%.1f\n", sum / static_cast<double>(threads));
  return 0;
}

enum class Kind { kBare, kHeld, kRunning, kPerf, kStrace, kStraceOneCpu };

struct Config {
  std::string name;
  Kind kind;
  SourceOptions options = {};
  long threads = 1;
  std::vector<double> call_ns = {}, adds_ns = {}, cheaper = {}, cpu_ns = {};
};

struct Cost {
  double call_ns;  // wall clock, as the loop sees it
  double cpu_ns;   // CPU time of target and tracer together, starting up included
};

double cpu_seconds(int who) {
  rusage usage = {};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}
double cpu_seconds() { return cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN); }

// Everything that is started while it lives runs on one CPU.
class OneCpu {
 public:
  explicit OneCpu(bool wanted) {
    if (!wanted || ::sched_getaffinity(0, sizeof before_, &before_) != 0) return;
    int cpu = CPU_SETSIZE - 1;
    while (!CPU_ISSET(cpu, &before_)) --cpu;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    active_ = ::sched_setaffinity(0, sizeof one, &one) == 0;
  }
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;
  ~OneCpu() {
    if (active_) ::sched_setaffinity(0, sizeof before_, &before_);
  }

 private:
  cpu_set_t before_;
  bool active_ = false;
};

// Per call.
Cost measure(const Config& config, long calls) {
  const double cpu_before = cpu_seconds();
  const bool strace = config.kind == Kind::kStrace || config.kind == Kind::kStraceOneCpu;
  LaunchSpec spec;
  if (strace) spec.argv = {"strace", "-c", "-f", "--seccomp-bpf", "-e", "trace=epoll_wait", "-o", "/dev/null"};
  for (const std::string& word :
       {std::string("/proc/self/exe"), std::string("loop"), std::to_string(calls), std::to_string(config.threads)}) {
    spec.argv.push_back(word);
  }
  char self[4096] = {};
  if (::readlink("/proc/self/exe", self, sizeof self - 1) <= 0) die("readlink /proc/self/exe");
  *std::find(spec.argv.begin(), spec.argv.end(), "/proc/self/exe") = self;
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) die("pipe2");
  Fd child_in(in[0]), to(in[1]), from(out[0]), child_out(out[1]);
  spec.fds = {{child_in.get(), 0}, {child_out.get(), 1}};

  const OneCpu one_cpu(config.kind == Kind::kStraceOneCpu);
  std::unique_ptr<Source> source;
  if (config.kind == Kind::kHeld || config.kind == Kind::kRunning) {
    source = netpoll::probes::make_ptrace_source(config.options);
  }
  if (config.kind == Kind::kPerf) source = must(netpoll::probes::make_perf_source(config.options));
  const bool held = config.kind == Kind::kHeld || config.kind == Kind::kPerf;
  if (held) source->prepare(spec);
  Child child = must(netpoll::probes::launch(spec));
  if (held) must(source->attach({.pid = child.pid(), .held = true, .exe = self}));
  must(child.resume());
  if (config.kind == Kind::kRunning) must(source->attach({.pid = child.pid()}));
  child_in.reset();
  child_out.reset();
  to.reset();

  std::string text;
  char buffer[256];
  for (ssize_t n = 0; (n = ::read(from.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  if (source != nullptr) {
    while (must(source->wait(-1, -1))) {
    }
    const auto counted = must(source->read()).syscalls[static_cast<std::size_t>(Syscall::epoll_wait)].count;
    const auto made = static_cast<std::uint64_t>((calls + kWarmUp) * config.threads);
    if (counted != made) die(config.name + " counted " + std::to_string(counted) + " of " + std::to_string(made));
  }
  // The status of a running target that is our own child goes to the tracer; here nobody asks for it.
  (void)child.wait(-1);
  source.reset();
  const double all_calls = static_cast<double>((calls + kWarmUp) * config.threads);
  return {std::atof(text.c_str()), (cpu_seconds() - cpu_before) * 1e9 / all_calls};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "loop") return loop(std::atol(argv[2]), std::atol(argv[3]));
  std::uint64_t rounds = 11, calls = 20'000, seed = 1;
  netpoll::bench::read_flags(argc, argv, {{"--rounds", rounds, 1}, {"--calls", calls, 1}, {"--seed", seed}});

  std::vector<Config> configs = {
      {"bare", Kind::kBare},
      {"strace -c -f --seccomp-bpf", Kind::kStrace},
      {"strace -c -f --seccomp-bpf, all on one CPU", Kind::kStraceOneCpu},
      {"ptrace -- CMD, counts and errno", Kind::kHeld, {.latency = false}},
      {"ptrace -- CMD, with latency", Kind::kHeld, {.latency = true}},
      {"ptrace -- CMD, counts and errno, two busy threads", Kind::kHeld, {.latency = false}, 2},
      {"ptrace -p PID, counts and errno", Kind::kRunning, {.latency = false}},
  };
  if (auto perf = netpoll::probes::make_perf_source({.held = true})) {
    configs.push_back({"perf -- CMD", Kind::kPerf, {.held = true}});
    configs.push_back({"perf -- CMD, two busy threads", Kind::kPerf, {.held = true}, 2});
  } else {
    std::fprintf(stderr, "ptrace_cost: without perf: %s\n", perf.error().message().c_str());
  }
  std::mt19937_64 random(seed);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::vector<Config*> order;
    for (Config& config : configs) order.push_back(&config);
    std::shuffle(order.begin(), order.end(), random);
    for (Config* config : order) {
      const Cost cost = measure(*config, static_cast<long>(calls));
      config->call_ns.push_back(cost.call_ns);
      config->cpu_ns.push_back(cost.cpu_ns);
    }
    const double bare = configs[0].call_ns.back(), strace = configs[1].call_ns.back() - bare;
    for (Config& config : configs) {
      const double adds = config.call_ns.back() - bare;
      config.adds_ns.push_back(adds);
      if (adds > 0) config.cheaper.push_back(strace / adds);
    }
  }

  auto out = netpoll::bench::new_document("ptrace_cost");
  out["call"] = "epoll_wait(timeout 0)";
  out["rounds"] = rounds;
  out["calls_per_round"] = calls;
  out["seed"] = seed;
  for (const Config& config : configs) {
    nlohmann::ordered_json row = {{"name", config.name},
                                  {"call_ns", spread(config.call_ns)},
                                  {"adds_ns", spread(config.adds_ns)},
                                  {"cpu_ns", spread(config.cpu_ns)}};
    if (config.kind != Kind::kBare) row["times_cheaper_than_plain_strace"] = spread(config.cheaper);
    out["results"].push_back(std::move(row));
  }
  std::printf("%s\n", out.dump(2).c_str());
  return 0;
}
