// The loop over ptrace stops.
#include "probes/ptrace/tracer.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

#include "libruntime/base/clock.h"
#include "probes/process/proc_status.h"
#include "probes/ptrace/arch.h"
#include "probes/ptrace/attach_error.h"
#include "probes/ptrace/kernel_errors.h"
#include "probes/ptrace/requests.h"
#include "probes/syscall_numbers.h"

namespace netpoll::probes {
namespace {

// Interrupts the tracer's waitpid. SIGURG, because a stray one is ignored wherever this handler is not in place.
constexpr int kWakeSignal = SIGURG;
// So many reports in a row from one thread, and the others are looked after first: waitpid prefers whoever attached
// first, and a busy thread could keep all the rest stopped for ever.
constexpr int kStreak = 16;
// For so long threads may pass a stop of their own before we leave; then they are interrupted. And for so long we wait
// for that, beyond which there are only threads that do not run at all.
constexpr std::int64_t kPassNs = 1'000'000;
constexpr std::int64_t kLeaveNs = 1'000'000'000;

void install_wake_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};  // no SA_RESTART
    action.sa_handler = [](int) {};
    sigaction(kWakeSignal, &action, nullptr);
  });
}

// Of a new thread: everything is for other threads to handle, but for our wake-up. SIGCHLD stays unblocked although
// waitpid needs it not: the kernel sends one for every stop, and drops it at once only if the receiving thread could
// take it and would ignore it. Blocked here, each would wake another thread of this process, which costs as much again
// as the stop.
void mask_signals() {
  sigset_t mask;
  sigfillset(&mask);
  sigdelset(&mask, kWakeSignal);
  sigdelset(&mask, SIGCHLD);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

bool is_group_stop(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

// Whether a handler of the program is to run.
bool is_caught(pid_t tid, int signal) { return (status_set(tid, "SigCgt").value_or(0) >> (signal - 1) & 1) != 0; }

// Whether a call that ended so may yet go on.
bool is_interruption(std::int64_t result) { return result == -EINTR || is_kernel_restart(result); }

}  // namespace

Tracer::Tracer(const Target& target, std::vector<pid_t> others, CallObserver& observer, bool timed,
               std::shared_ptr<ExitRelay> relay, bool filtered)
    : target_(target),
      others_(std::move(others)),
      observer_(observer),
      timed_(timed),
      relay_(std::move(relay)),
      filtered_(filtered) {}

Tracer::~Tracer() {
  if (!thread_.joinable()) return;
  quit_ = true;
  // A signal that comes between the thread's look at quit_ and its waitpid is lost, so it is repeated.
  while (!ended_) {
    pthread_kill(thread_.native_handle(), kWakeSignal);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  thread_.join();
  // The kernel detaches and kills a little after join() returns; it is done when the thread's id is gone.
  const std::string task = "/proc/self/task/" + std::to_string(thread_id_.load());
  while (access(task.c_str(), F_OK) == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
  if (relay_ != nullptr) relay_->release();
}

Result<void> Tracer::start() {
  gone_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!gone_.valid()) return posix_error("eventfd", errno);
  install_wake_handler();
  std::promise<Result<void>> started;
  std::future<Result<void>> result = started.get_future();
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::error_code failure;
  try {
    thread_ = std::thread(&Tracer::run, this, std::move(started));
  } catch (const std::system_error& error) {
    failure = error.code();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure) return posix_error("create a thread", failure.value());
  // A thread in an uninterruptible sleep stops only after it. It is traced from then on; the caller need not wait.
  if (result.wait_for(std::chrono::seconds(1)) == std::future_status::timeout) return {};
  return result.get();
}

void Tracer::run(std::promise<Result<void>> started) {
  mask_signals();
  thread_id_ = gettid();
  started_ = std::move(started);
  placement_.emplace(kWakeSignal);

  int options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
  if (target_.follow_forks || filtered_) options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
  if (filtered_) options |= PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
  if (Result<void> seized = seize(options); !seized) {
    announced_ = true;
    started_.set_value(std::move(seized));
  } else {
    if (interrupted_ == 0) attached();
    loop();
    let_pass();
    attached();
  }
  placement_.reset();
  const std::uint64_t one = 1;
  if (!quit_) (void)!write(gone_.get(), &one, sizeof one);
  ended_ = true;
}

void Tracer::attached() {
  if (announced_) return;
  announced_ = true;
  started_.set_value({});
}

Result<void> Tracer::seize(int options) {
  if (target_.held) {
    if (request(PTRACE_SEIZE, target_.pid, nullptr, options) != 0) return attach_error(target_.pid, errno);
    add({.tid = target_.pid, .tgid = target_.pid});
    if (relay_ != nullptr) relay_->take();
    return {};
  }
  if (traces_us(target_.pid)) return attach_error(target_.pid, EPERM);
  // The first thread speaks for the process, unless it has ended before the others.
  if (!seize_thread(target_.pid, target_.pid, options)) {
    const int error = errno;
    if (!is_zombie(target_.pid)) return attach_error(target_.pid, error);
  }
  seize_threads(target_.pid, options);
  if (tracees_.empty()) return attach_error(target_.pid, ESRCH);
  if (target_.follow_forks) seize_descendants(options);
  return {};
}

bool Tracer::seize_thread(pid_t tid, pid_t tgid, int options) {
  if (request(PTRACE_SEIZE, tid, nullptr, options) != 0) return false;
  interrupt(add({.tid = tid, .tgid = tgid}));
  return true;
}

// Threads that one of ours creates meanwhile are traced from their birth; those that a thread creates before it is its
// turn have to be looked for, until a round finds none.
void Tracer::seize_threads(pid_t tgid, int options) {
  for (bool found = true; found;) {
    found = false;
    for (pid_t tid : thread_ids(tgid)) {
      // Refused: it has just ended, or is a newborn of ours that will report itself.
      if (!tracees_.contains(tid) && seize_thread(tid, tgid, options)) found = true;
    }
  }
}

// As with threads: what ours fork from now on is traced from its birth, and what they forked before has to be looked
// for. A process that somebody else traces stays uncounted.
void Tracer::seize_descendants(int options) {
  std::set<pid_t> family = {target_.pid};
  for (bool found = true; found;) {
    found = false;
    for (const pid_t pid : process_ids()) {
      if (family.contains(pid) || std::find(others_.begin(), others_.end(), pid) != others_.end()) continue;
      if (!family.contains(parent_of(pid))) continue;
      family.insert(pid);
      seize_threads(pid, options);
      found = true;
    }
  }
}

void Tracer::loop() {
  pid_t previous = 0;
  int streak = 0;
  while (!quit_.load(std::memory_order_relaxed)) {
    int status = 0;
    // Only this thread's tracees: other threads have children of their own to wait for.
    const pid_t tid = waitpid(-1, &status, __WALL | __WNOTHREAD);
    if (tid < 0) {
      if (errno != EINTR) break;  // ECHILD: all have ended
      placement_->tick();
      continue;
    }
    if (timed_) woken_ns_ = base::nanotime();
    streak = tid == previous ? streak + 1 : 0;
    previous = tid;
    if (streak < kStreak || tracees_.size() == 1) {
      handle({tid, status});
    } else {
      streak = 0;
      collect_others({tid, status});
    }
  }
}

void Tracer::let_pass() {
  if (filtered_) return;  // they end with us
  leaving_ = true;
  handle_until(base::nanotime() + kPassNs, at_large_);
  for (auto& [tid, tracee] : tracees_) {
    const bool changed = tracee.wait && tracee.wait->changed();
    if ((tracee.at_large || changed) && !tracee.interrupted) interrupt(tracee);
  }
  handle_until(base::nanotime() + kLeaveNs, interrupted_);
}

// Handles what is reported until `left` is 0, or end_ns.
void Tracer::handle_until(std::int64_t end_ns, const int& left) {
  while (left != 0 && base::nanotime() < end_ns) {
    int status = 0;
    const pid_t tid = waitpid(-1, &status, __WALL | __WNOTHREAD | WNOHANG);
    if (tid < 0) return;
    if (timed_) woken_ns_ = base::nanotime();
    if (tid > 0) {
      handle({tid, status});
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
}

void Tracer::interrupt(Tracee& tracee) {
  if (request(PTRACE_INTERRUPT, tracee.tid) != 0) return;
  tracee.interrupted = true;
  ++interrupted_;
}

// Takes in every report that is there before any of them is answered.
void Tracer::collect_others(Event first) {
  events_.assign(1, first);
  int status = 0;
  for (pid_t tid = 0; (tid = waitpid(-1, &status, __WALL | __WNOTHREAD | WNOHANG)) > 0;) {
    events_.push_back({tid, status});
  }
  for (const Event& event : events_) handle(event);
}

void Tracer::handle(Event event) {
  if (!WIFSTOPPED(event.status)) {
    handle_end(event);
  } else if (Tracee* tracee = find_or_add(event.tid)) {
    const bool ours = event.status >> 16 == PTRACE_EVENT_STOP && std::exchange(tracee->interrupted, false);
    handle_stop(*tracee, event.status, ours);
    if (ours && --interrupted_ == 0) attached();
  }
}

// ours: it is the stop that interrupt() asked for.
void Tracer::handle_stop(Tracee& tracee, int status, bool ours) {
  const int signal = WSTOPSIG(status);
  switch (status >> 16) {
    case 0:
      if (signal == (SIGTRAP | 0x80)) return handle_syscall(tracee);
      handle_signal(tracee, signal);
      return resume(tracee, signal);
    case PTRACE_EVENT_SECCOMP:
      return handle_seccomp(tracee);
    case PTRACE_EVENT_EXEC:
      return handle_exec(tracee);
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
      handle_fork(tracee);
      return resume(tracee);
    case PTRACE_EVENT_STOP:
      if (ours && !is_group_stop(signal)) restart_interrupted_wait(tracee.tid);
      if (tracee.wait) tracee.wait->put_back(tracee.tid);
      if (ours && !leaving_) find_unfinished(tracee);
      // A stopped process stays stopped until somebody sends SIGCONT, and reports that.
      if (is_group_stop(signal)) {
        set_at_large(tracee, false);
        request(PTRACE_LISTEN, tracee.tid);
        return;
      }
      set_at_large(tracee, true);
      return resume(tracee);
    default:
      return resume(tracee);  // clone: the newborn reports itself
  }
}

Tracee* Tracer::find_or_add(pid_t tid) {
  if (const auto found = tracees_.find(tid); found != tracees_.end()) return &found->second;
  // A newborn's first stop, which may come before its parent's report or after it.
  const pid_t tgid = static_cast<pid_t>(status_number(tid, "Tgid").value_or(tid));
  const bool counted = tgid == target_.pid || target_.follow_forks;
  if (!counted && !filtered_) {
    // A process made by clone() without SIGCHLD, which the kernel reports as it does a thread.
    request(PTRACE_DETACH, tid);
    return nullptr;
  }
  return &add({.tid = tid, .tgid = tgid, .counted = counted});
}

Tracee& Tracer::add(const Tracee& tracee) {
  if (++threads_[tracee.tgid] == 1 && tracee.counted) ++processes_;
  at_large_ += tracee.at_large;
  return tracees_.emplace(tracee.tid, tracee).first->second;
}

void Tracer::handle_syscall(Tracee& tracee) {
  SyscallInfo info;
  if (!get_syscall_info(tracee.tid, info)) return resume(tracee);
  if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
    if (tracee.clone) tracee.clone->put_back(tracee.tid);
    tracee.clone.reset();
    if (tracee.wait) tracee.wait->put_back(tracee.tid);
    tracee.ending = {.result = info.exit.rval, .ns = woken_ns_};
    if (!is_interruption(info.exit.rval)) end_call(tracee);
    set_at_large(tracee, true);
    return resume(tracee);
  }
  handle_entry(tracee, info.arch, info.entry.nr, info.entry.args);
  resume_to_exit(tracee);
}

void Tracer::handle_seccomp(Tracee& tracee) {
  SyscallInfo info;
  // Until the exec it is our own code that runs.
  if (!executed_ || !get_syscall_info(tracee.tid, info)) return resume(tracee);
  if (!handle_entry(tracee, info.arch, info.seccomp.nr, info.seccomp.args)) return resume(tracee);
  resume_to_exit(tracee);
}

// Returns whether the call's end is of interest.
bool Tracer::handle_entry(Tracee& tracee, std::uint32_t arch, std::uint64_t number, const std::uint64_t (&args)[6]) {
  const bool foreign = arch != native_arch().audit_arch;
  const auto nr = static_cast<long>(number);
  placement_->note(tracee.tid);
  if (!foreign && native_arch().passes_affinity(nr)) placement_->lift();
  if (!foreign && !leaving_ && (filtered_ || target_.follow_forks)) {
    tracee.clone = UntracedClone::take_off(tracee.tid, nr, std::to_array(args));
  }
  if (!tracee.counted) return tracee.clone.has_value();
  const bool resumed = !foreign && nr == SYS_restart_syscall;
  if (tracee.ending && (tracee.ending->undone || (resumed && tracee.ending->result == -kRestartBlock))) {
    tracee.ending.reset();
    if (tracee.wait && !leaving_) tracee.wait->shorten(tracee.tid);
    return true;
  }
  end_call(tracee);
  tracee.wait.reset();
  if (foreign) {
    observer_.enter_foreign(tracee);
    return false;
  }
  tracee.wait = TimedWait::of(nr, std::to_array(args));
  return observer_.enter(tracee, nr, std::to_array(args)) || tracee.clone;
}

// Of a thread that we have just interrupted.
void Tracer::find_unfinished(Tracee& tracee) {
  const auto call = unfinished_call(tracee.tid);
  if (!call || !observer_.enter_before(tracee, call->number, call->args, woken_ns_)) return;
  tracee.ending = {.result = -kRestartNoHandler, .ns = woken_ns_, .undone = true};
  tracee.wait = TimedWait::of(call->number, call->args);
}

// A signal is on its way to the thread. One that the target ignores would not have woken it, had we not been there; one
// that stops or continues it would.
void Tracer::handle_signal(Tracee& tracee, int signal) {
  const bool job_control = is_group_stop(signal) || signal == SIGCONT;
  const bool restarts = !job_control && restart_interrupted_wait(tracee.tid);
  if (!tracee.ending) return;
  if (job_control) {
    // What a stop interrupts in restart_syscall's way goes on after it.
    if (!tracee.ending->undone && tracee.ending->result != -kRestartBlock) end_call(tracee);
    return;
  }
  // Asked only now, since it takes a file of /proc and programs may live by signals.
  if (is_caught(tracee.tid, signal)) return end_call(tracee);
  if (restarts || tracee.ending->result != -EINTR) tracee.ending->undone = true;
  if (!tracee.ending->undone) end_call(tracee);
}

// The call that the thread was in has ended as it seemed.
void Tracer::end_call(Tracee& tracee) {
  if (!tracee.ending) return;
  observer_.leave(tracee, tracee.ending->result, tracee.ending->ns);
  tracee.ending.reset();
}

void Tracer::handle_fork(const Tracee& tracee) {
  unsigned long message = 0;
  if (request(PTRACE_GETEVENTMSG, tracee.tid, nullptr, &message) != 0) return;
  const auto child = static_cast<pid_t>(message);
  // Known from now on, and not from its first stop only: its parent, and with it the measurement, may end before that.
  // One that has already come and gone is not to be known again.
  if ((target_.follow_forks || filtered_) && living_thread(child) == child) find_or_add(child);
  if (tracee.counted) observer_.forked(tracee, child, woken_ns_);
}

void Tracer::handle_exec(Tracee& tracee) {
  // exec from another than the first thread: that thread takes over the first one's id and vanishes without a report.
  unsigned long former = 0;
  if (request(PTRACE_GETEVENTMSG, tracee.tid, nullptr, &former) == 0 && static_cast<pid_t>(former) != tracee.tid) {
    drop(static_cast<pid_t>(former));
  }
  observer_.forget(tracee.tid, woken_ns_);
  if (tracee.counted) observer_.executed(tracee, woken_ns_);
  if (tracee.tid == target_.pid) executed_ = true;
  resume(tracee);
}

void Tracer::handle_end(Event event) {
  drop(event.tid);
  if (event.tid == target_.pid && relay_ != nullptr) relay_->deliver(event.status);
}

void Tracer::drop(pid_t tid) {
  const auto found = tracees_.find(tid);
  if (found != tracees_.end()) end_call(found->second);
  observer_.forget(tid, woken_ns_);
  placement_->forget(tid);
  if (found == tracees_.end()) return;
  const Tracee tracee = found->second;
  tracees_.erase(found);
  at_large_ -= tracee.at_large;
  if (tracee.interrupted && --interrupted_ == 0) attached();
  const auto threads = threads_.find(tracee.tgid);
  if (--threads->second != 0) return;
  threads_.erase(threads);
  if (!tracee.counted) return;
  --processes_;
  observer_.exited(tracee, woken_ns_);
}

// A request can fail only because the tracee was killed meanwhile; its end will be reported.
void Tracer::resume(Tracee& tracee, int signal) {
  if (leaving_) set_at_large(tracee, false);
  const bool ours = target_.held && !executed_;  // our own code still runs in it
  const bool freely = ours || leaving_ || (filtered_ && !tracee.clone);
  request(freely ? PTRACE_CONT : PTRACE_SYSCALL, tracee.tid, nullptr, signal);
}

void Tracer::resume_to_exit(Tracee& tracee) {
  if (timed_) observer_.started(tracee.tid, base::nanotime());
  set_at_large(tracee, false);
  request(leaving_ ? PTRACE_CONT : PTRACE_SYSCALL, tracee.tid);
}

void Tracer::set_at_large(Tracee& tracee, bool at_large) {
  at_large_ += at_large - tracee.at_large;
  tracee.at_large = at_large;
}

}  // namespace netpoll::probes
