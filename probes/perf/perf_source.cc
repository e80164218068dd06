// The Source of perf counters: which there are, the trial of them, and what they add up to.
#include "probes/perf/perf_source.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "probes/countable.h"
#include "probes/launch/child.h"
#include "probes/perf/counter.h"
#include "probes/perf/tracepoint_ids.h"
#include "probes/process/watch.h"
#include "probes/syscall_numbers.h"

namespace netpoll::probes {
namespace {

// What a counter adds to.
enum class Figure : std::uint8_t { kCalls, kAdd, kMod, kDel, kEmpty, kNamedError, kOtherErrors, kExecs, kExecuted };

struct CounterPlan {
  std::uint64_t id = 0;  // of the tracepoint
  std::string filter;
  Figure figure = Figure::kCalls;
  Syscall syscall{};  // unless it is about execs
  int error = 0;      // of kNamedError
};

// A tracepoint of a counted call, for the trial.
struct Trial {
  std::uint64_t id = 0;
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
std::optional<std::uint64_t> id_of(const TracepointIds& ids, const char* which, std::string_view call) {
  for (const char* suffix : {"", "64"}) {
    const auto found = ids.find(which + std::string(call) + suffix);
    if (found != ids.end()) return found->second;
  }
  return std::nullopt;
}

void plan_returns(Plan& plan, std::uint64_t exit, Syscall syscall) {
  const int error = telling_error(syscall);
  if (error == 0) return;
  const std::string value = std::to_string(-error);
  plan.trials.push_back({exit, syscall, true});
  plan.counters.push_back({exit, "ret == " + value, Figure::kNamedError, syscall, error});
  plan.counters.push_back({exit, "ret < 0 && ret != " + value, Figure::kOtherErrors, syscall, 0});
  if (waits_for_events(syscall)) plan.counters.push_back({exit, "ret == 0", Figure::kEmpty, syscall, 0});
}

Result<Plan> plan_counters(const TracepointIds& ids, const SourceOptions& options) {
  Plan plan;
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    const auto syscall = static_cast<Syscall>(i);
    if (!syscall_number(syscall) || (options.syscalls && !options.syscalls->test(i))) continue;
    const auto enter = id_of(ids, "sys_enter_", syscall_name(syscall));
    const auto exit = id_of(ids, "sys_exit_", syscall_name(syscall));
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
  if (plan.counters.empty()) return Error(ErrorKind::kNotSupported, "this kernel has no tracepoints of these calls");
  for (const char* call : {"execve", "execveat"}) {
    if (const auto enter = id_of(ids, "sys_enter_", call)) plan.counters.push_back({*enter, "", Figure::kExecs, {}, 0});
    if (const auto exit = id_of(ids, "sys_exit_", call)) plan.counters.push_back({*exit, "", Figure::kExecuted, {}, 0});
  }
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

// Counts calls of ours.
Result<std::vector<PerfCounter>> try_counters(const std::vector<Trial>& trials) {
  std::vector<PerfCounter> counters;
  const auto fail = [&](Error error) {
    close_in_background(std::move(counters));
    return error;
  };
  for (const Trial& trial : trials) {
    auto counter = PerfCounter::open(trial.id, "", PerfScope::kThread, 0);
    if (!counter) return fail(std::move(counter).error());
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
    return fail(Error(ErrorKind::kNotFound, "tracepoint " + std::to_string(trials[i].id) + " is not that of " +
                                                std::string(syscall_name(trials[i].syscall)) + ": it saw " +
                                                std::to_string(*seen) + " of " + std::to_string(made) + " calls")
                    .with_hint("sudo netpoll-trace doctor --learn"));
  }
  return counters;
}

class PerfSource : public Source {
 public:
  PerfSource(Plan plan, std::vector<PerfCounter> trials) : plan_(std::move(plan)), trials_(std::move(trials)) {}
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
    const PerfScope scope = target.follow_forks ? PerfScope::kChildrenAtExec : PerfScope::kProcessAtExec;
    for (const CounterPlan& plan : plan_.counters) {
      auto counter = PerfCounter::open(plan.id, plan.filter, scope, target.pid);
      if (!counter) {
        close_in_background(std::exchange(counters_, {}));
        return std::move(counter).error();
      }
      counters_.push_back(std::move(*counter));
    }
    return {};
  }

  Result<bool> wait(int timeout_ms, int stop_fd) override { return watch_.wait(timeout_ms, stop_fd); }

  Result<Counts> read() override {
    if (counters_.empty()) return last_;
    Counts counts;
    counts.returns_known = false;
    for (std::size_t i = 0; i < kSyscallCount; ++i) {
      counts.syscalls[i].errors_known = telling_error(static_cast<Syscall>(i)) != 0;
    }
    // Our child's own exec returns under the counters, but began before them.
    std::uint64_t execs = 1, executed = 0;
    for (std::size_t i = 0; i < counters_.size(); ++i) {
      auto value = counters_[i].read();
      if (!value) return std::move(value).error();
      put(counts, plan_.counters[i], *value, execs, executed);
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
    for (PerfCounter& counter : trials_) counters_.push_back(std::move(counter));
    trials_.clear();
    close_in_background(std::exchange(counters_, {}));
  }

  std::string overhead_note() const override {
    return "perf_event counters: each counted call takes 30 to 170 ns longer, a new thread or process " +
           std::to_string(plan_.counters.size() * 5) +
           " us (fewer with -e); times, and what calls returned, are not measured";
  }

 private:
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
  std::vector<PerfCounter> trials_;    // keep the tracepoints in use
  std::vector<PerfCounter> counters_;  // as plan_.counters, while attached
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
  return std::unique_ptr<Source>(std::make_unique<PerfSource>(std::move(*plan), std::move(*trials)));
}

}  // namespace netpoll::probes
