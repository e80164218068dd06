// The Source around a Tracer.
#include "probes/ptrace/ptrace_source.h"

#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "libruntime/base/clock.h"
#include "probes/launch/child.h"
#include "probes/ptrace/call_counter.h"
#include "probes/ptrace/tracer_set.h"
#include "probes/syscall_numbers.h"

namespace netpoll::probes {
namespace {

// Whether a call makes a process, and not a thread.
bool makes_process(pid_t tid, long number, const CallArgs& args) {
  std::uint64_t flags = 0;
  switch (number) {
#ifdef SYS_fork
    case SYS_fork:
    case SYS_vfork:
      return true;
#endif
    case SYS_clone:
      flags = args[0];
      break;
    case SYS_clone3: {  // the first member of struct clone_args
      iovec local = {&flags, sizeof flags};
      iovec remote = {reinterpret_cast<void*>(args[0]), sizeof flags};
      if (process_vm_readv(tid, &local, 1, &remote, 1, 0) != sizeof flags) return false;
      break;
    }
    default:
      return false;
  }
  return (flags & CLONE_THREAD) == 0;
}

std::vector<unsigned> counted_numbers() {
  std::vector<unsigned> numbers;
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    if (const auto nr = syscall_number(static_cast<Syscall>(i))) numbers.push_back(static_cast<unsigned>(*nr));
  }
  for (std::size_t i = 0; i < kSocketCallCount; ++i) {
    if (const auto nr = syscall_number(static_cast<SocketCall>(i))) numbers.push_back(static_cast<unsigned>(*nr));
  }
  return numbers;
}

// Counts what one Tracer tells.
class CountingObserver : public CallObserver {
 public:
  CountingObserver(bool latency, bool follow_forks) : follow_forks_(follow_forks), counter_(latency) {}

  bool enter(const Tracee& tracee, long number, const CallArgs& args) override {
    std::lock_guard lock(mutex_);
    forking_.erase(tracee.tid);
    if (const auto syscall = syscall_of_number(number)) {
      counter_.enter(tracee.tid, *syscall, args);
      return true;
    }
    if (const auto beside = socket_call_of_number(number)) counter_.note(tracee.tgid, *beside, args);
    if (follow_forks_ || !makes_process(tracee.tid, number, args)) return false;
    forking_.insert(tracee.tid);
    return true;
  }
  bool enter_before(const Tracee& tracee, long number, const CallArgs& /*args*/, std::int64_t now_ns) override {
    std::lock_guard lock(mutex_);
    const auto syscall = syscall_of_number(number);
    if (syscall) counter_.enter_before(tracee.tid, *syscall, now_ns);
    return syscall.has_value();
  }
  void enter_foreign(const Tracee& /*tracee*/) override {
    std::lock_guard lock(mutex_);
    counter_.lose_foreign();
  }
  // Under the filter, where nobody hears of the end of the call.
  void forked(const Tracee& tracee, pid_t /*child*/, std::int64_t /*now_ns*/) override {
    std::lock_guard lock(mutex_);
    if (forking_.erase(tracee.tid) != 0) ++forks_left_;
  }
  void started(pid_t tid, std::int64_t now_ns) override {
    std::lock_guard lock(mutex_);
    counter_.started(tid, now_ns);
  }
  void leave(const Tracee& tracee, std::int64_t result, std::int64_t now_ns) override {
    std::lock_guard lock(mutex_);
    counter_.leave(tracee.tid, result, now_ns);
    if (forking_.erase(tracee.tid) != 0 && result > 0) ++forks_left_;
  }
  void forget(pid_t tid, std::int64_t now_ns) override {
    std::lock_guard lock(mutex_);
    counter_.forget(tid, now_ns);
    forking_.erase(tid);
  }

  // Any thread.
  Counts counts(std::int64_t now_ns) const {
    std::lock_guard lock(mutex_);
    Counts counts = counter_.counts(now_ns);
    counts.forks_left = forks_left_;
    return counts;
  }

 private:
  const bool follow_forks_;
  mutable std::mutex mutex_;  // of all below
  CallCounter counter_;
  std::set<pid_t> forking_;       // threads in a call that makes a process
  std::uint64_t forks_left_ = 0;  // processes that were made and are not followed
};

class PtraceSource : public Source {
 public:
  explicit PtraceSource(const SourceOptions& options) : options_(options) {}

  Backend backend() const override { return Backend::kPtrace; }
  void prepare(LaunchSpec& spec) override;
  Result<void> attach(std::span<const Target> targets) override;
  Result<bool> wait(int timeout_ms, int stop_fd) override { return tracers_.wait(timeout_ms, stop_fd); }
  Result<Counts> read() override;
  Result<CountsByTarget> read_each() override;
  void detach() override;
  std::string overhead_note() const override;

 private:
  CountsByTarget count() const;

  const SourceOptions options_;
  std::map<pid_t, std::unique_ptr<CountingObserver>> observers_;  // of each target
  TracerSet tracers_;
  bool detached_ = false;
  CountsByTarget final_;  // what was counted when we detached
};

void PtraceSource::prepare(LaunchSpec& spec) { tracers_.prepare(spec, counted_numbers()); }

Result<void> PtraceSource::attach(std::span<const Target> targets) {
  for (const Target& target : targets) {
    auto& observer = observers_[target.pid] = std::make_unique<CountingObserver>(options_.latency, target.follow_forks);
    if (auto added = tracers_.add(target, targets, *observer, options_.latency); !added) {
      tracers_.clear();
      return added;
    }
  }
  return {};
}

CountsByTarget PtraceSource::count() const {
  CountsByTarget each;
  for (const auto& [pid, observer] : observers_) {
    Counts counts = observer->counts(options_.latency ? base::nanotime() : 0);
    counts.processes = tracers_.processes(pid);
    each.emplace(pid, std::move(counts));
  }
  return each;
}

Result<CountsByTarget> PtraceSource::read_each() {
  if (tracers_.empty() || detached_) return final_;
  return count();
}

Result<Counts> PtraceSource::read() {
  auto each = read_each();
  if (!each) return std::move(each).error();
  if (each->size() == 1) return std::move(each->begin()->second);
  Counts sum;
  for (const auto& [pid, counts] : *each) add_counts(sum, counts);
  return sum;
}

void PtraceSource::detach() {
  if (tracers_.empty() || detached_) return;
  final_ = count();
  detached_ = true;
  // What still lives under the filter ends with us.
  if (!tracers_.filtered()) tracers_.clear();
}

std::string PtraceSource::overhead_note() const {
  if (tracers_.filtered()) {
    return "ptrace with a seccomp filter: the target stops twice at every counted call; each takes 15 to 20 us longer "
           "with one busy thread, several times that with more";
  }
  std::string note =
      "ptrace: the target stops twice at every system call, counted or not; each takes 15 to 20 us longer with one "
      "busy thread, several times that with more";
  if (!tracers_.launched()) note += "; a wait in progress at attach begins its timeout anew";
  return note;
}

}  // namespace

std::unique_ptr<Source> make_ptrace_source(const SourceOptions& options) {
  return std::make_unique<PtraceSource>(options);
}

}  // namespace netpoll::probes
