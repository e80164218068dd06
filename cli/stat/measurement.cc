// The steps of one measurement, of running processes or of a command.
#include "cli/stat/measurement.h"

#include <algorithm>
#include <csignal>
#include <map>
#include <tuple>
#include <utility>

#include "cli/process_list.h"
#include "cli/stat/nudge.h"
#include "cli/system/wake_set.h"
#include "exporters/text.h"
#include "probes/process/descriptors/descriptors.h"
#include "probes/session.h"

namespace netpoll::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

Error needs_ebpf(const std::string& what, const probes::Session& session) {
  return Error(ErrorKind::kNotSupported,
               what + " cannot be counted by " + std::string(probes::backend_name(session.backend())))
      .with_hint(session.passed_over().empty() ? "--backend ebpf can, as root" : session.passed_over().front());
}

// Children of processes that are counted alone.
void note_forks_left(Measurement& measurement) {
  const std::uint64_t left = measurement.counts.forks_left.value_or(0);
  if (left == 0) return;
  measurement.probe.notes.push_back(exporters::grouped(left) +
                                    (left == 1 ? " child process was" : " child processes were") +
                                    " started meanwhile and not counted; --follow-forks counts them too");
}

// What goes past the system calls where nobody can count it.
void note_uring(Measurement& measurement) {
  if (measurement.counts.uring_ops || measurement.probe.backend == probes::Backend::kNone) return;
  bool uses = measurement.counts.syscalls[static_cast<std::size_t>(probes::Syscall::io_uring_enter)].count > 0;
  for (const auto& target : measurement.targets) uses = uses || probes::has_io_uring(target.pid).value_or(false);
  if (!uses) return;
  measurement.probe.notes.push_back(
      "the target uses io_uring: what it does by that is no system call and not counted; eBPF counts its operations");
}

// Counters of libruntime's that nobody was found to have.
void note_no_runtime(Measurement& measurement) {
  const auto& tracepoints = measurement.counts.tracepoints;
  const bool seen =
      std::any_of(tracepoints.begin(), tracepoints.end(), [](const auto& count) { return count.has_value(); });
  if (measurement.probe.backend != probes::Backend::kSelf || seen) return;
  measurement.probe.notes.push_back(
      "no libruntime was seen in the target, so nothing was counted; other back ends count any program's system calls");
}

// What each did between two readings; who did nothing is left out.
std::vector<probes::GroupCounts> groups_between(const std::vector<probes::GroupCounts>& earlier,
                                                const std::vector<probes::GroupCounts>& later) {
  const auto key = [](const probes::GroupCounts& of) {
    return std::tuple(of.pid, of.tid, of.fd, of.inode, of.cgroup, of.syscall);
  };
  std::map<decltype(key(earlier.front())), const probes::GroupCounts*> before;
  for (const probes::GroupCounts& group : earlier) before.emplace(key(group), &group);
  std::vector<probes::GroupCounts> between;
  for (probes::GroupCounts group : later) {
    if (const auto found = before.find(key(group)); found != before.end()) {
      group.count -= found->second->count;
      group.errors -= found->second->errors;
      group.again -= found->second->again;
      group.result -= found->second->result;
      group.total_ns -= found->second->total_ns;
    }
    if (group.count > 0) between.push_back(std::move(group));
  }
  return between;
}

// One measurement under way.
class Meter {
 public:
  static Result<Meter> create(const MeasurePlan& plan, bool held, Interrupt& interrupt, Log& log) {
    auto wake = WakeSet::create();
    if (!wake) return std::move(wake).error();
    auto nudge = Nudge::install();
    if (!nudge) return std::move(nudge).error();
    auto session = probes::Session::choose(plan.backend, {.latency = plan.latency,
                                                          .cgroups = plan.cgroups,
                                                          .group_by = plan.group_by,
                                                          .best_effort = plan.best_effort,
                                                          .held = held,
                                                          .syscalls = plan.syscalls});
    if (!session) return std::move(session).error();
    if (session->backend() != probes::Backend::kEbpf) {
      if (!plan.cgroups.empty()) return needs_ebpf("the processes of a cgroup", *session);
      if (plan.group_by != probes::GroupBy::kNothing) return needs_ebpf("figures of each of them", *session);
    }
    return Meter(plan, interrupt, log, std::move(*wake), std::move(*nudge), std::move(*session));
  }

  Measurement& result() { return result_; }
  probes::Session& session() { return session_; }

  void start() {
    result_.started_at = std::chrono::system_clock::now();
    begin_ = last_ = steady_clock::now();
    log_.detail("the probes are attached");
  }

  // Until the time is up, every target is gone, `child` has ended, or somebody interrupts. What the keyboard says to a
  // command is for the command to obey.
  Result<void> watch(const probes::Child* child) {
    if (auto ok = wake_.add(interrupt_.fd()); !ok) return ok;
    if (auto ok = wake_.add(nudge_.fd()); !ok) return ok;
    // -1: none. A command does not notice who leaves.
    const int output = child == nullptr ? plan_.output.value_or(-1) : -1;
    if (child != nullptr) {
      if (auto ok = wake_.add(child->pidfd()); !ok) return ok;
    }
    if (output >= 0) {
      if (auto ok = wake_.add_output(output); !ok) return ok;
    }
    for (;;) {
      const auto now = steady_clock::now();
      const auto end = plan_.duration ? begin_ + *plan_.duration : steady_clock::time_point::max();
      const auto mark = plan_.interval ? last_ + *plan_.interval : steady_clock::time_point::max();
      if (now >= mark) {
        if (auto ok = take_interval(now); !ok) return ok;
        if (unread_ && child == nullptr) break;
        continue;
      }
      if (now >= end) break;
      if (nudge_.take()) {
        if (auto ok = tell_so_far(now); !ok) return ok;
      }
      if (interrupt_.requested()) {
        if (child == nullptr || !interrupt_.from_keyboard()) break;
        wake_.remove(interrupt_.fd());  // stays readable
      }
      // A command has the terminal for itself.
      if (child == nullptr) show(now);
      const nanoseconds timeout = std::min({end, mark, now + milliseconds(200)}) - now;
      auto left = session_.wait(static_cast<int>((timeout.count() + 999'999) / 1'000'000), wake_.fd());
      if (!left) return std::move(left).error();
      auto woken = wake_.ready(0);
      if (!woken) return std::move(woken).error();
      const bool child_ended =
          child != nullptr && std::find(woken->begin(), woken->end(), child->pidfd()) != woken->end();
      if (!*left || child_ended) {
        result_.target_ended = true;
        break;
      }
      if (output >= 0 && std::find(woken->begin(), woken->end(), output) != woken->end()) break;
    }
    wake_.remove(interrupt_.fd());
    wake_.remove(nudge_.fd());
    if (child != nullptr) wake_.remove(child->pidfd());
    if (output >= 0) wake_.remove(output);
    return {};
  }

  Result<void> finish() {
    const auto now = steady_clock::now();
    if (plan_.interval && now > last_) {
      if (auto ok = take_interval(now); !ok) return ok;
    }
    auto groups = read_groups();
    if (!groups) return std::move(groups).error();
    result_.groups = std::move(*groups);
    auto counts = session_.stop();
    if (!counts) return std::move(counts).error();
    result_.counts = *counts;
    result_.duration = now - begin_;
    for (std::string& left : session_.left_out()) result_.probe.notes.push_back(std::move(left));
    note_forks_left(result_);
    note_uring(result_);
    note_no_runtime(result_);
    if (result_.probe.backend != probes::Backend::kNone) put_losses(result_.probe, *counts);
    result_.probe.overhead_note = session_.overhead_note();
    log_.clear_progress();
    return {};
  }

 private:
  Meter(const MeasurePlan& plan, Interrupt& interrupt, Log& log, WakeSet wake, Nudge nudge, probes::Session session)
      : plan_(plan),
        interrupt_(interrupt),
        log_(log),
        wake_(std::move(wake)),
        nudge_(std::move(nudge)),
        session_(std::move(session)) {
    result_.probe = probe_info(session_, log_);
  }

  Result<std::vector<probes::GroupCounts>> read_groups() {
    if (plan_.group_by == probes::GroupBy::kNothing) return std::vector<probes::GroupCounts>();
    return session_.read_groups();
  }

  Result<void> take_interval(steady_clock::time_point now) {
    auto counts = session_.read();
    if (!counts) return std::move(counts).error();
    auto groups = read_groups();
    if (!groups) return std::move(groups).error();
    const Interval interval{last_ - begin_, now - last_, counts_between(counts_at_last_, *counts),
                            groups_between(groups_at_last_, *groups)};
    log_.clear_progress();
    if (plan_.on_interval && !plan_.on_interval(interval, result_)) unread_ = true;
    counts_at_last_ = std::move(*counts);
    groups_at_last_ = std::move(*groups);
    last_ = now;
    return {};
  }

  Result<void> tell_so_far(steady_clock::time_point now) {
    if (!plan_.on_nudge) return {};
    Measurement so_far = result_;
    auto counts = session_.read();
    if (!counts) return std::move(counts).error();
    so_far.counts = std::move(*counts);
    auto groups = read_groups();
    if (!groups) return std::move(groups).error();
    so_far.groups = std::move(*groups);
    so_far.duration = now - begin_;
    if (so_far.probe.backend != probes::Backend::kNone) put_losses(so_far.probe, so_far.counts);
    log_.clear_progress();
    plan_.on_nudge(so_far);
    return {};
  }

  void show(steady_clock::time_point now) {
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    std::string text = "counting, " + exporters::fixed(seconds, 1);
    if (plan_.duration) {
      text += " of " + exporters::human_ns(static_cast<std::uint64_t>(plan_.duration->count()));
    } else {
      text += " s; Ctrl-C ends and prints";
    }
    log_.progress(text);
  }

  const MeasurePlan& plan_;
  Interrupt& interrupt_;
  Log& log_;
  WakeSet wake_;
  Nudge nudge_;
  probes::Session session_;
  Measurement result_;
  probes::Counts counts_at_last_;
  std::vector<probes::GroupCounts> groups_at_last_;
  bool unread_ = false;  // nobody reads the intervals
  steady_clock::time_point begin_;
  steady_clock::time_point last_;
};

// A process may end between our first look at it and the probes.
Error not_attached(Error error) {
  if (error.is(ErrorKind::kNotFound) && error.hint().empty()) {
    return std::move(error).with_hint("it ended before it could be observed");
  }
  return error;
}

// A daemon lives on when the command that started it has ended, and with it the measurement.
void note_left_running(Measurement& measurement, bool kill_on_exit) {
  const std::uint64_t left = measurement.counts.processes.value_or(0);
  if (!measurement.target_ended || left == 0) return;
  if (kill_on_exit && measurement.probe.backend == probes::Backend::kPtrace) {
    measurement.probe.notes.push_back(exporters::grouped(left) + (left == 1 ? " process" : " processes") +
                                      " that the command left running ended with the measurement (--kill-on-exit)");
    return;
  }
  const bool one = left == 1 && measurement.counts.processes_exact;
  const std::string number = measurement.counts.processes_exact ? exporters::grouped(left) + " " : "";
  measurement.probe.notes.push_back(number + (one ? "process" : "processes") + " that the command started still " +
                                    (one ? "runs" : "run") +
                                    ", not counted any more; stat -p PID --follow-forks goes on");
}

}  // namespace

Result<Measurement> measure_processes(const std::vector<pid_t>& pids, const MeasurePlan& plan, Interrupt& interrupt,
                                      Log& log) {
  std::vector<probes::Target> targets;
  std::vector<probes::TargetInfo> infos;
  for (const pid_t pid : pids) {
    auto info = probes::describe_target(pid);
    if (!info) return not_attached(std::move(info).error());
    targets.push_back({pid, /*held=*/false, plan.follow_forks, info->exe.value_or("")});
    infos.push_back(std::move(*info));
  }
  auto meter = Meter::create(plan, /*held=*/false, interrupt, log);
  if (!meter) return std::move(meter).error();
  meter->result().targets = std::move(infos);
  if (auto ok = meter->session().attach(targets); !ok) return not_attached(std::move(ok).error());
  meter->start();
  if (auto ok = meter->watch(nullptr); !ok) return std::move(ok).error();
  if (auto ok = meter->finish(); !ok) return std::move(ok).error();
  return std::move(meter->result());
}

Result<Measurement> measure_program(const std::vector<std::string>& program, const MeasurePlan& plan,
                                    Interrupt& interrupt, Log& log) {
  auto meter = Meter::create(plan, /*held=*/true, interrupt, log);
  if (!meter) return std::move(meter).error();
  const SharedKeyboard shared(interrupt, true);

  probes::LaunchSpec spec;
  spec.argv = program;
  spec.close_other_fds = false;
  spec.ignored_signals = interrupt.ignored_by_caller();
  spec.outlives_us = !plan.kill_on_exit;
  spec.dies_with_source = plan.kill_on_exit;
  auto child = meter->session().launch(std::move(spec));
  if (!child) return std::move(child).error();
  const std::string exe = find_program(program.front());
  if (auto ok = meter->session().attach({child->pid(), /*held=*/true, plan.follow_forks, exe}); !ok) {
    return std::move(ok).error();
  }
  meter->start();
  if (auto ok = child->resume(); !ok) {
    meter->result().exec_error = std::move(ok).error();
    return std::move(meter->result());
  }

  probes::TargetInfo info;
  // A command may have ended already: then its file says what it was.
  if (auto described = probes::describe_target(child->pid())) info = std::move(*described);
  info.pid = child->pid();
  if (!info.exe && !exe.empty()) info.exe = exe;
  if (!info.comm) info.comm = program.front().substr(program.front().rfind('/') + 1).substr(0, 15);
  meter->result().targets.push_back(std::move(info));

  if (auto ok = meter->watch(&*child); !ok) return std::move(ok).error();
  const bool ended = meter->result().target_ended;
  // -d counts for that long and no longer; an interrupted command's own ending belongs to what it did.
  const bool time_is_up = !ended && !interrupt.requested();
  if (time_is_up) {
    if (auto ok = meter->finish(); !ok) return std::move(ok).error();
  }
  auto status = ended ? child->wait(-1) : ask_to_end(*child, plan.kill_on_exit, interrupt);
  if (!status) return std::move(status).error();
  meter->result().exit = *status;
  if (!time_is_up) {
    if (auto ok = meter->finish(); !ok) return std::move(ok).error();
  }
  note_left_running(meter->result(), plan.kill_on_exit);
  return std::move(meter->result());
}

}  // namespace netpoll::cli
