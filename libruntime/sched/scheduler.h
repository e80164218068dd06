// scheduler.h: Gs on Ms with Ps. The design, its rejected variants and the lost-wake-up proof are in proc.cc and
// HACKING.md.
#pragma once

#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "libruntime/base/futex.h"
#include "libruntime/base/thread.h"
#include "libruntime/sched/deadlock.h"
#include "libruntime/sched/debug_env.h"
#include "libruntime/sched/g_table.h"
#include "libruntime/sched/m.h"
#include "libruntime/sched/p.h"
#include "libruntime/sched/poll_source.h"
#include "libruntime/sched/wait.h"
#include "netpoll/base/mutex.h"
#include "netpoll/config.h"

namespace netpoll::sched {

// Scheduler: one per Runtime. Public members are for the runtime's own layers (poll, net, sync, debug); all are
// thread-safe unless said otherwise.
class Scheduler {
 public:
  explicit Scheduler(Config config);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Wiring, by runtime.cc, before the first goroutine: a poll::Netpoll, which is not owned.
  void set_poll_source(PollSource& source);
  PollSource& poll_source() const { return *poll_source_; }
  const Config& config() const { return config_; }
  const DebugEnv& debug() const { return debug_; }

  // --- goroutines (spawn.cc)
  G* new_g(std::size_t closure_size, std::size_t closure_align, void* caller, void** closure);
  // For a function that rest() may call anew: one that has no stack before it first runs. Its closure belongs into
  // G::closure_room. By goroutines.
  G* new_g_at_rest(void* caller);
  void start_g(G* g, void (*entry)(void*));

  // --- park and ready (park.cc)
  // Parks the calling goroutine; see ParkCommit. pd, fd and mode are shown in snapshots (IO wait).
  static void park(ParkCommit commit, void* arg, WaitReason reason, std::uint32_t pd = 0, std::int32_t fd = -1,
                   std::uint32_t mode = 0);
  // As park(), for a goroutine whose function can be called again from its beginning: it leaves its stack for good, and
  // when it is made runnable its function is called with the same closure on whatever stack is there, and G::rested is
  // set. What it has on its stack is gone, without destructors; the closure lies in the G (detail::kClosureRoom). arg
  // must not lie on the stack. One with labels, which lie on the stack, keeps it.
  [[noreturn]] static void rest(ParkCommit commit, void* arg, WaitReason reason, std::uint32_t pd, std::int32_t fd,
                                std::uint32_t mode);
  // Makes a parked goroutine runnable: on the caller's P if it has one, else on the global queue. Fires `ready`.
  void ready(G* g, std::uint32_t pd = 0, std::int32_t fd = -1, std::uint32_t mode = 0);
  // The same for many that a poll returned (their `ready` was fired by the poller), without a P.
  void inject(GList& list);
  static void yield();

  // --- blocking calls (blocking.cc)
  static void enter_blocking();
  static void exit_blocking();

  // --- timers (spawn.cc)
  // Queues timer on the caller's P (else on the first one) and wakes a poller that would sleep past it.
  void start_timer(HeapTimer& timer);

  // Called by the poller, on threads that are no Ms, before it takes goroutines off their pollDescs: until they are
  // queued (end_external_ready) nothing else shows that they will run, and the deadlock check has to know.
  void begin_external_ready() { external_ready_batches_.fetch_add(1, std::memory_order_seq_cst); }

  // --- shutdown (scheduler.cc)
  void cancel_all();
  bool canceled() const { return canceled_.load(std::memory_order_seq_cst); }
  void wait_until_no_goroutines();
  // The thread in run() sleeps until the main goroutine has said that it ended.
  void wait_for_main();
  void main_ended();
  void stop_threads();
  std::uint64_t goroutine_count() const { return live_gs_.load(std::memory_order_acquire); }
  // Declares that run() waits for a main goroutine, so that "nothing can ever happen" is a deadlock (deadlock.h).
  void expect_progress(bool on) { progress_expected_.store(on); }

  // Adds what stands still here. False: something runs, or will without being asked.
  bool add_rest(Rest& rest);

  // --- looking inside
  GTable& gs() { return gs_; }
  const GTable& gs() const { return gs_; }
  const std::vector<std::unique_ptr<P>>& ps() const { return ps_; }
  // Ps that nobody holds; stale when it arrives.
  std::uint32_t idle_ps() const { return idle_p_count_.load(std::memory_order_relaxed); }
  // Where the calling thread writes tracepoints: its P's lane, or the shared one.
  trace::Lane& lane();
  // One per P and one for the shared lane, side by side (debug ABI).
  const trace::Counters* counter_blocks() const { return counters_.get(); }
  const trace::Ring* rings() const { return rings_.get(); }
  // The coarse clock: at most 10 ms old while goroutines run (poll returns and sysmon refresh it).
  const std::atomic<std::int64_t>& coarse_now() const { return coarse_now_; }
  void print_goroutines();

 private:
  // proc.cc: the loop of an M
  void m_loop(M* m);
  G* find_runnable(M* m);
  void execute(M* m, G* g);
  G* idle_until_work(M* m);
  G* poll_as_idle_m(M* m);
  G* look_before_stealing(P* p);
  G* submit_before_stealing(P* p);
  void look_at_clock(P* p, std::uint32_t tick);
  void blocking_poll(GList& list);
  std::int64_t polled_now();
  void run_list(P* p, GList& list);
  G* steal_work(M* m);
  G* take_global(P* p, std::uint32_t limit);
  void run_put(P* p, G* g, bool next);
  static G* take_local(P* p);
  bool somebody_polls() const {
    return config_.poll_mode == PollMode::kThread || m_polls_.load(std::memory_order_relaxed) != 0;
  }
  // Two at once may count as one: the poll thread asks whether there were any.
  void count_poll() {
    m_poll_count_.store(m_poll_count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  std::int64_t earliest_timer() const;

  // machine.cc: Ms and Ps come and go
  void acquire_p(M* m, P* p);
  P* release_p(M* m);
  P* idle_p_get() NETPOLL_REQUIRES(mutex_);
  void idle_p_put(P* p) NETPOLL_REQUIRES(mutex_);
  void stop_m(M* m);  // sleeps until start_m hands a P over, or the scheduler stops (then m->p is null)
  void start_m(P* p, bool spinning);
  void wake_p();
  void stop_spinning(M* m);
  void hand_off_p(P* p);
  bool retake_blocked_ps();
  static void* m_thread(void* arg);

  // poll_thread.cc, sysmon.cc
  void poll_thread_loop();
  bool watch_ms();
  void hand_out(GList& list, std::int64_t now);
  void end_external_ready() { external_ready_batches_.fetch_sub(1, std::memory_order_seq_cst); }
  void sysmon_loop();
  void sysmon_tick(std::int64_t now);
  void trim_free_stacks();
  bool wake_sleeper(std::atomic<std::uint32_t>& word);
  struct HogWatch {
    std::uint32_t tick = 0;
    std::int64_t since = 0;
    bool reported = false;
  };
  void report_hogs(std::vector<HogWatch>& hogs, std::int64_t now);
  void print_trace(std::int64_t now);

  // spawn.cc
  G* dead_g_get(GList* mine, GList Scheduler::*all);
  void dead_g_put(GList& mine, GList Scheduler::*all, G* g);
  G* cold_g(P* p);
  void descend(G& g, void* caller);
  void use_stack(G* g);
  void begin_flow(G* g);
  void leave_stack(P* p, G* g);
  void begin_again(P* p, G* g);
  void bury(P* p, G* g);
  std::uint64_t next_goid(P* p);
  void goroutine_ended();
  void ensure_threads();
  static void goroutine_main(void* arg);

  // park.cc
  static M* note_wait(ParkCommit commit, void* arg, WaitReason reason, std::uint32_t pd, std::int32_t fd,
                      std::uint32_t mode);
  void cancel_waits();
  static bool commit_wait(G* g, void* arg);
  friend WakeResult finish_wait(WaitHandle h, WaitReason reason, bool cancelable);
  friend void share_queue();

  const Config config_;
  const pid_t pid_ = getpid();  // a fork has none of our threads
  DebugEnv debug_;
  PollSource* poll_source_ = nullptr;
  std::vector<std::unique_ptr<P>> ps_;
  GTable gs_;
  std::unique_ptr<trace::Counters[]> counters_;  // of each P, then of the shared lane
  std::unique_ptr<trace::Ring[]> rings_;         // the same
  trace::Lane shared_lane_;
  const std::int64_t started_at_;

  // Lock order: mutex_ is a leaf except for base-level locks; no pollDesc, timer or list lock is taken under it.
  mutable base::Mutex mutex_;
  P* idle_ps_ NETPOLL_GUARDED_BY(mutex_) = nullptr;
  M* idle_ms_ NETPOLL_GUARDED_BY(mutex_) = nullptr;
  std::uint32_t idle_m_count_ NETPOLL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<M>> ms_ NETPOLL_GUARDED_BY(mutex_);
  GList global_ NETPOLL_GUARDED_BY(mutex_);
  GList free_gs_ NETPOLL_GUARDED_BY(mutex_);  // dead Gs whose stacks have pages
  GList cold_gs_ NETPOLL_GUARDED_BY(mutex_);  // dead Gs whose stacks have none
  std::atomic<std::uint32_t> global_size_{0};
  std::atomic<std::uint32_t> idle_p_count_{0};
  std::atomic<std::uint32_t> spinning_ms_{0};
  std::atomic<std::uint32_t> blocking_calls_{0};  // goroutines in block_on
  std::atomic<std::uint64_t> goid_source_{1};
  std::atomic<std::uint64_t> live_gs_{0};
  std::atomic<std::uint32_t> live_gs_word_{0};  // futex: bumped when live_gs_ reaches 0
  std::atomic<std::uint32_t> main_ended_{0};    // futex: 1 once the main goroutine of run() ended
  // Threads that sleep in run() for its main goroutine, and in shutdown() for the last one.
  std::atomic<std::uint32_t> wait_for_main_{0};
  std::atomic<std::uint32_t> wait_for_last_{0};

  // Who polls.
  std::atomic<std::uint32_t> m_polls_{0};       // 1 while an idle M blocks in the poll
  std::atomic<std::uint64_t> m_poll_count_{0};  // polls by Ms; tells the poll thread that it is not needed
  std::atomic<std::int64_t> poll_until_{0};     // when whoever blocks in the poll will return by itself; 0: nobody does
  std::atomic<std::int64_t> last_poll_{0};
  std::atomic<std::int64_t> coarse_now_{0};

  std::atomic<std::uint32_t> external_ready_calls_{0};  // threads without one of our Ps that are inside ready()

  std::atomic<std::uint32_t> external_ready_batches_{0};  // see begin_external_ready

  std::atomic<bool> stopping_{false};
  std::atomic<bool> canceled_{false};
  std::atomic<bool> progress_expected_{false};
  // Futex words of the two service threads: 1 while the thread sleeps without a limit, because nothing happens.
  std::atomic<std::uint32_t> poll_thread_asleep_{0};
  std::atomic<std::uint32_t> sysmon_asleep_{0};
  std::atomic<std::uint32_t> blocked_ps_{0};  // Ps in kPSyscall
  bool threads_started_ NETPOLL_GUARDED_BY(mutex_) = false;
  bool have_poll_thread_ = false;
  base::SignalMask program_mask_;  // of the thread that made the first goroutine; constant from then on
  pthread_t poll_thread_{};
  pthread_t sysmon_thread_{};
};

// When sysmon may audit again after an audit that lasted from begin to end (ns): a second later, or when audits have
// taken no more than a hundredth of the time.
std::int64_t next_audit_after(std::int64_t begin, std::int64_t end);

// The Scheduler of the calling goroutine; fatal elsewhere.
Scheduler& current();

}  // namespace netpoll::sched
