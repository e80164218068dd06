// The Source of perf counters: which there are, the trial of them, and what they add up to.
#include "probes/perf/perf_source.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "probes/countable.h"
#include "probes/launch/child.h"
#include "probes/perf/counter.h"
#include "probes/perf/lineage.h"
#include "probes/perf/tracepoint_ids.h"
#include "probes/process/watch.h"
#include "probes/syscall_numbers.h"

namespace netpoll::probes {
namespace {

// What a counter adds to.
enum class Figure : std::uint8_t { kCalls, kAdd, kMod, kDel, kEmpty, kNamedError, kOtherErrors, kExecs, kExecuted };

// As tracefs names it, "sys_enter_read".
struct Tracepoint {
  std::uint64_t id = 0;
  std::string name;
};

struct CounterPlan {
  Tracepoint tracepoint;
  std::string filter;
  Figure figure = Figure::kCalls;
  Syscall syscall{};  // unless it is about execs
  int error = 0;      // of kNamedError
};

// A tracepoint of a counted call, for the trial.
struct Trial {
  Tracepoint tracepoint;
  Syscall syscall{};
  bool exit = false;
};

struct Plan {
  std::vector<CounterPlan> counters;
  std::vector<Trial> trials;
};

// The errno that says most about calls of this class; 0: their errors are not counted.
int telling_error(Syscall syscall) {
  const std::string_view call_class = syscall_class(syscall);
  if (call_class == "io") return EAGAIN;
  if (waits_for_events(syscall)) return EINTR;
  return call_class == "ctl" ? EEXIST : 0;
}

// The kernel names a tracepoint after the function: sendfile is sys_enter_sendfile64.
std::optional<Tracepoint> find_tracepoint(const TracepointIds& ids, const char* which, std::string_view call) {
  for (const char* suffix : {"", "64"}) {
    const auto found = ids.find(which + std::string(call) + suffix);
    if (found != ids.end()) return Tracepoint{found->second, found->first};
  }
  return std::nullopt;
}

void plan_returns(Plan& plan, const Tracepoint& exit, Syscall syscall) {
  const int error = telling_error(syscall);
  if (error == 0) return;
  const std::string value = std::to_string(-error);
  plan.trials.push_back({exit, syscall, true});
  plan.counters.push_back({exit, "ret == " + value, Figure::kNamedError, syscall, error});
  plan.counters.push_back({exit, "ret < 0 && ret != " + value, Figure::kOtherErrors, syscall, 0});
  if (waits_for_events(syscall)) plan.counters.push_back({exit, "ret == 0", Figure::kEmpty, syscall, 0});
}

// Those of execs come first, without which nobody knows what the others miss.
Result<Plan> plan_counters(const TracepointIds& ids, const SourceOptions& options) {
  Plan plan;
  for (const char* call : {"execve", "execveat"}) {
    if (const auto enter = find_tracepoint(ids, "sys_enter_", call)) {
      plan.counters.push_back({*enter, "", Figure::kExecs, {}, 0});
    }
    if (const auto exit = find_tracepoint(ids, "sys_exit_", call)) {
      plan.counters.push_back({*exit, "", Figure::kExecuted, {}, 0});
    }
  }
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    const auto syscall = static_cast<Syscall>(i);
    if (!syscall_number(syscall) || (options.syscalls && !options.syscalls->test(i))) continue;
    const auto enter = find_tracepoint(ids, "sys_enter_", syscall_name(syscall));
    const auto exit = find_tracepoint(ids, "sys_exit_", syscall_name(syscall));
    if (!enter || !exit) continue;  // a kernel older or smaller than our headers, whose call nobody can make
    plan.trials.push_back({*enter, syscall, false});
    plan.counters.push_back({*enter, "", Figure::kCalls, syscall, 0});
    plan_returns(plan, *exit, syscall);
    if (syscall != Syscall::epoll_ctl) continue;
    for (const auto& [op, figure] : {std::pair(EPOLL_CTL_ADD, Figure::kAdd), std::pair(EPOLL_CTL_MOD, Figure::kMod),
                                     std::pair(EPOLL_CTL_DEL, Figure::kDel)}) {
      plan.counters.push_back({*enter, "op == " + std::to_string(op), figure, syscall, 0});
    }
  }
  if (plan.trials.empty()) return Error(ErrorKind::kNotSupported, "this kernel has no tracepoints of these calls");
  return plan;
}

// Makes the call with nothing but -1 for arguments, with which every counted call fails and does nothing. Returns
// whether a seccomp filter refuses it, so that it does not even begin.
bool make_calls(Syscall syscall, std::uint64_t times) {
  errno = 0;
  for (std::uint64_t i = 0; i < times; ++i) ::syscall(*syscall_number(syscall), -1L, -1L, -1L, -1L, -1L, -1L);
  return errno == EPERM || (errno == ENOSYS && syscall != Syscall::futex);  // which has no operation -1
}

// Each call gets a number of its own, so that a counter which sees another call is found out.
std::uint64_t trial_calls(Syscall syscall) { return static_cast<std::uint64_t>(syscall) + 1; }

Error not_opened(const Tracepoint& tracepoint, Error error) {
  return std::move(error).within("tracepoint " + tracepoint.name);
}

// Counts calls of ours.
Result<std::vector<PerfCounter>> try_counters(const std::vector<Trial>& trials) {
  std::vector<PerfCounter> counters;
  const auto fail = [&](Error error) {
    close_in_background(std::move(counters));
    return error;
  };
  for (const Trial& trial : trials) {
    auto counter = PerfCounter::open(trial.tracepoint.id, "", PerfScope::kThread, 0);
    if (!counter) return fail(not_opened(trial.tracepoint, std::move(counter).error()));
    counters.push_back(std::move(*counter));
  }
  for (const PerfCounter& counter : counters) counter.enable();
  std::bitset<kSyscallCount> refused;
  for (const Trial& trial : trials) {
    if (trial.exit) continue;
    refused.set(static_cast<std::size_t>(trial.syscall), make_calls(trial.syscall, trial_calls(trial.syscall)));
  }
  for (const PerfCounter& counter : counters) counter.disable();
  for (std::size_t i = 0; i < trials.size(); ++i) {
    auto seen = counters[i].read();
    if (!seen) return fail(std::move(seen).error());
    const std::uint64_t made = trial_calls(trials[i].syscall);
    if (*seen == made || (*seen == 0 && refused.test(static_cast<std::size_t>(trials[i].syscall)))) continue;
    return fail(Error(ErrorKind::kNotFound, "tracepoint " + std::to_string(trials[i].tracepoint.id) +
                                                " is not that of " + std::string(syscall_name(trials[i].syscall)) +
                                                ": it saw " + std::to_string(*seen) + " of " + std::to_string(made) +
                                                " calls")
                    .with_hint("sudo netpoll-trace doctor --learn"));
  }
  return counters;
}

// Descriptors for what else a measurement opens, which counters must not use up.
std::vector<Fd> reserve_descriptors(int any_fd) {
  std::vector<Fd> reserve;
  for (int i = 0; i < 16; ++i) reserve.emplace_back(::fcntl(any_fd, F_DUPFD_CLOEXEC, 0));
  return reserve;
}

class PerfSource : public Source {
 public:
  PerfSource(Plan plan, std::vector<PerfCounter> trials, bool best_effort)
      : plan_(std::move(plan)), best_effort_(best_effort), trials_(std::move(trials)) {}
  ~PerfSource() override { detach(); }
  PerfSource(const PerfSource&) = delete;
  PerfSource& operator=(const PerfSource&) = delete;

  Backend backend() const override { return Backend::kPerf; }

  // perf_event_open of another process needs the access that ptrace needs.
  void prepare(LaunchSpec& spec) override { spec.traceable = true; }

  Result<void> attach(std::span<const Target> targets) override {
    const Target& target = targets.front();
    if (targets.size() > 1 || !target.held) {
      return Error(ErrorKind::kNotSupported, "perf counts a command from its start, and no process that runs already")
          .with_hint("netpoll-trace stat -- CMD; or --backend ptrace");
    }
    if (auto fit = check_countable(target); !fit) return fit;
    auto watch = ProcessWatch::open(target.pid);
    if (!watch) return std::move(watch).error();
    watch_ = std::move(*watch);
    pid_ = target.pid;
    if (target.follow_forks) lineage_ = PerfLineage::watch(target.pid);
    auto opened = open_counters(target);
    if (!opened) detach();
    return opened;
  }

  std::vector<std::string> left_out() const override {
    std::vector<std::string> sentences;
    for (const auto& [why, calls] : refused_) {
      sentences.push_back("not counted, since the kernel refused a tracepoint of theirs (" + why + "): " + calls);
    }
    return sentences;
  }

  Result<bool> wait(int timeout_ms, int stop_fd) override { return watch_.wait(timeout_ms, stop_fd); }

  Result<Counts> read() override {
    if (counters_.empty()) return last_;
    Counts counts;
    counts.returns_known = false;
    for (std::size_t i = 0; i < kSyscallCount; ++i) {
      counts.syscalls[i].counted = !uncounted_.test(i);
      counts.syscalls[i].errors_known = telling_error(static_cast<Syscall>(i)) != 0;
    }
    // Our child's own exec returns under the counters, but began before them.
    std::uint64_t execs = 1, executed = 0;
    for (const OpenCounter& open : counters_) {
      auto value = open.counter.read();
      if (!value) return std::move(value).error();
      put(counts, *open.plan, *value, execs, executed);
    }
    if (lineage_) {
      counts.processes_exact = !lineage_->lives();
      counts.processes = counts.processes_exact ? 0 : 1;
    }
    counts.unseen_programs = execs > executed ? execs - executed : 0;
    counts.lost = counts.unseen_programs;
    last_ = counts;
    return counts;
  }

  Result<CountsByTarget> read_each() override {
    auto counts = read();
    if (!counts) return std::move(counts).error();
    return CountsByTarget{{pid_, std::move(*counts)}};
  }

  void detach() override {
    // Those of the trial too: while they are open the others close at no cost.
    std::vector<PerfCounter> all = std::exchange(trials_, {});
    for (OpenCounter& open : counters_) all.push_back(std::move(open.counter));
    counters_.clear();
    close_in_background(std::move(all));
    lineage_.reset();
  }

  std::string overhead_note() const override {
    return "perf_event counters: each counted call takes 30 to 170 ns longer, a new thread or process " +
           std::to_string(plan_.counters.size() * 5) +
           " us (fewer with -e); times, and what calls returned, are not measured, and calls of the 32-bit interface "
           "(int $0x80) are not seen";
  }

 private:
  struct OpenCounter {
    const CounterPlan* plan;
    PerfCounter counter;
  };

  Result<void> open_counters(const Target& target) {
    const PerfScope scope = target.follow_forks ? PerfScope::kChildrenAtExec : PerfScope::kProcessAtExec;
    const auto reserve = best_effort_ ? reserve_descriptors(watch_.fd()) : std::vector<Fd>();
    std::optional<Error> first;
    for (const CounterPlan& plan : plan_.counters) {
      const bool of_execs = plan.figure == Figure::kExecs || plan.figure == Figure::kExecuted;
      if (!of_execs && uncounted_.test(static_cast<std::size_t>(plan.syscall))) continue;
      auto counter = PerfCounter::open(plan.tracepoint.id, plan.filter, scope, target.pid);
      if (counter) {
        counters_.push_back({&plan, std::move(*counter)});
        continue;
      }
      Error error = not_opened(plan.tracepoint, std::move(counter).error());
      if (!best_effort_ || of_execs) return error;
      leave_out(plan.syscall, error);
      if (!first) first = std::move(error);
    }
    const bool some = std::any_of(plan_.trials.begin(), plan_.trials.end(), [&](const Trial& trial) {
      return !uncounted_.test(static_cast<std::size_t>(trial.syscall));
    });
    if (!some) return std::move(*first);
    return {};
  }

  // All counters of a call or none: a call that lacks its errors would look like one that never fails.
  void leave_out(Syscall syscall, const Error& error) {
    uncounted_.set(static_cast<std::size_t>(syscall));
    std::erase_if(counters_, [&](const OpenCounter& open) {
      return open.plan->syscall == syscall && open.plan->figure != Figure::kExecs &&
             open.plan->figure != Figure::kExecuted;
    });
    std::string& calls = refused_[std::strerror(error.sys_errno())];
    calls += (calls.empty() ? "" : ", ") + std::string(syscall_name(syscall));
  }

  static void put(Counts& counts, const CounterPlan& plan, std::uint64_t value, std::uint64_t& execs,
                  std::uint64_t& executed) {
    SyscallCounts& row = counts.syscalls[static_cast<std::size_t>(plan.syscall)];
    switch (plan.figure) {
      case Figure::kCalls:
        row.count = value;
        return;
      case Figure::kAdd:
        counts.ctl_add = value;
        return;
      case Figure::kMod:
        counts.ctl_mod = value;
        return;
      case Figure::kDel:
        counts.ctl_del = value;
        return;
      case Figure::kEmpty:
        counts.waits[static_cast<std::size_t>(plan.syscall)].empty = value;
        return;
      case Figure::kNamedError:
        if (value > 0) row.errors[plan.error] = value;
        return;
      case Figure::kOtherErrors:
        if (value > 0) row.errors[kOtherErrors] = value;
        return;
      case Figure::kExecs:
        execs += value;
        return;
      case Figure::kExecuted:
        executed += value;
        return;
    }
  }

  const Plan plan_;
  const bool best_effort_;
  std::vector<PerfCounter> trials_;    // keep the tracepoints in use
  std::vector<OpenCounter> counters_;  // while attached
  std::bitset<kSyscallCount> uncounted_;
  std::map<std::string, std::string> refused_;  // why, and which calls
  std::optional<PerfLineage> lineage_;          // where forks are followed and the kernel tells
  ProcessWatch watch_;
  pid_t pid_ = -1;
  Counts last_;
};

}  // namespace

Result<std::unique_ptr<Source>> make_perf_source(const SourceOptions& options) {
  auto ids = find_tracepoint_ids();
  if (!ids) return std::move(ids).error();
  auto plan = plan_counters(*ids, options);
  if (!plan) return std::move(plan).error();
  auto trials = try_counters(plan->trials);
  if (!trials) return std::move(trials).error();
  return std::unique_ptr<Source>(
      std::make_unique<PerfSource>(std::move(*plan), std::move(*trials), options.best_effort));
}

}  // namespace netpoll::probes
