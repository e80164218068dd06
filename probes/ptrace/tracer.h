// Tracer: the thread that makes all ptrace requests, since the kernel takes them only from the thread that attached,
// and that lets every stopped thread of the target go on. It runs for itself, so a caller may block in whatever it
// likes while the target proceeds.
//
// Every system call of the target stops twice; of a child that is held before its exec, from that exec on. The target
// is left by letting the tracer thread end, whereupon the kernel detaches and nobody's wait is interrupted;
// PTRACE_DETACH would need each thread stopped first. But a thread that is let go at the entry of a call finds a signal
// pending there (kernel/ptrace.c, __ptrace_unlink), and epoll_wait returns EINTR; so those that run pass one more
// stop before we end (let_pass). The kernel detaches when we are killed as well.
//
// A child under make_seccomp_filter() stops at counted calls only. Since the filter cannot be removed and without a
// tracer makes these calls fail, the whole offspring of the child stays traced until it has ended, counted or not, and
// dies with the tracer (PTRACE_O_EXITKILL). So nobody may escape: CLONE_UNTRACED, which sandboxes use, is taken off the
// calls that ask for it (UntracedClone), here and wherever forks are followed. A call of the 32-bit interface keeps it,
// and a clone3 whose arguments lie where nobody may write.
//
// The kernel gives a tracee's stops to any thread of the tracing process that waits for it. So no other code of this
// process may call waitpid(-1) or wait for a traced pid while a Tracer lives; Child does neither.
//
// Attaching to a running process interrupts each of its threads once, and a traced process notices signals that it
// ignores, SIGCHLD by default among them. Calls that find this out restart, those that would return EINTR to the
// program with our help (restart_interrupted_wait). Observers hear of it as of one call: how a call has ended is told
// when the thread's next stop says that it has (Tracee::ending); one that was under way when we attached is told apart
// where the architecture shows it (unfinished_call).
#pragma once

#include <sys/types.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "netpoll/fd.h"
#include "netpoll/result.h"
#include "probes/launch/exit_relay.h"
#include "probes/ptrace/call_observer.h"
#include "probes/ptrace/placement.h"
#include "probes/ptrace/tracee.h"
#include "probes/source.h"

namespace netpoll::probes {

class Tracer {
 public:
  // others: processes that are left alone although they may descend from the target. observer outlives the Tracer;
  // timed: it wants times. relay: of the held child; null for a running process. filtered: the held child is under
  // make_seccomp_filter().
  Tracer(const Target& target, std::vector<pid_t> others, CallObserver& observer, bool timed,
         std::shared_ptr<ExitRelay> relay, bool filtered);
  // Leaves the target, and what it has started, running; kills them where they are filtered.
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Attaches to every thread of the target, and of the descendants that it has where they are followed. Once, before
  // anything else.
  Result<void> start();
  // Readable once every traced process has ended.
  int gone_fd() const { return gone_.get(); }
  // That are observed and have not ended. Any thread.
  std::uint64_t processes() const { return processes_; }

 private:
  // One report of waitpid.
  struct Event {
    pid_t tid;
    int status;
  };

  void run(std::promise<Result<void>> started);
  Result<void> seize(int options);
  bool seize_thread(pid_t tid, pid_t tgid, int options);
  void seize_threads(pid_t tgid, int options);
  void seize_descendants(int options);
  void loop();
  void let_pass();
  void handle_until(std::int64_t end_ns, const int& left);
  void interrupt(Tracee& tracee);
  void collect_others(Event first);
  void handle(Event event);
  void handle_stop(Tracee& tracee, int status, bool ours);
  void handle_syscall(Tracee& tracee);
  void handle_seccomp(Tracee& tracee);
  bool handle_entry(Tracee& tracee, std::uint32_t arch, std::uint64_t number, const std::uint64_t (&args)[6]);
  void find_unfinished(Tracee& tracee);
  void handle_signal(Tracee& tracee, int signal);
  void end_call(Tracee& tracee);
  void handle_fork(const Tracee& tracee);
  void handle_exec(Tracee& tracee);
  void handle_end(Event event);
  void drop(pid_t tid);
  Tracee* find_or_add(pid_t tid);
  Tracee& add(const Tracee& tracee);
  void resume(Tracee& tracee, int signal = 0);
  void resume_to_exit(Tracee& tracee);
  void set_at_large(Tracee& tracee, bool at_large);
  void attached();

  const Target target_;
  const std::vector<pid_t> others_;
  CallObserver& observer_;
  const bool timed_;
  const std::shared_ptr<ExitRelay> relay_;
  const bool filtered_;
  Fd gone_;
  std::thread thread_;
  std::atomic<pid_t> thread_id_{0};
  std::atomic<bool> quit_{false};
  std::atomic<bool> ended_{false};
  std::atomic<std::uint64_t> processes_{0};

  // The tracer thread's own.
  std::unordered_map<pid_t, Tracee> tracees_;
  std::unordered_map<pid_t, std::size_t> threads_;  // of each process among tracees_
  std::vector<Event> events_;
  std::optional<Placement> placement_;
  std::promise<Result<void>> started_;
  bool announced_ = false;     // started_ has its value
  int interrupted_ = 0;        // tracees of which Tracee::interrupted says so
  int at_large_ = 0;           // tracees of which Tracee::at_large says so
  bool leaving_ = false;       // nobody is to stop at a call any more
  bool executed_ = false;      // the child's exec has been seen
  std::int64_t woken_ns_ = 0;  // when the last report arrived
};

}  // namespace netpoll::probes
