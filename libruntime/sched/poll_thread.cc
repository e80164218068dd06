// poll_thread.cc: the dedicated poll thread.
//
// thread mode: it alone polls, always, and blocks in the poller. hybrid mode: it watches, every kWatchPeriod, whether
// Ms poll. When none did for a period and none sits in the poller, every M is busy, or those that are not sleep: then
// it looks into the poller in their place, without blocking, and sends an M there if a P is idle. (It could block there
// until Ms poll again; but a thread that feeds busy Ms keeps them from ever running out of work and polling for
// themselves, in larger batches and without switching threads. A busy echo server then costs a fifth more CPU.)
//
// Nothing is left waiting longer than a period. The watch sleeps without a limit only while an M sits in the poller or
// every P is idle, and after that was so for kQuietPeriods; whoever takes a P while nobody sits in the poller wakes it,
// and so does an M that leaves the poller and finds every P busy (model: tests/model/poll_takeover.pml).
#include "libruntime/base/clock.h"
#include "libruntime/sched/scheduler.h"

namespace netpoll::sched {
namespace {

constexpr std::int64_t kWatchPeriod = 2'000'000;
// The period while Ms polled in each of the last kQuietPeriods. Every wake-up of the watch is a system call, and beside
// one connection of 8,000 requests per second one in two milliseconds is one in sixteen requests.
constexpr std::int64_t kSteadyWatchPeriod = 5'000'000;
constexpr int kQuietPeriods = 16;

}  // namespace

bool Scheduler::wake_sleeper(std::atomic<std::uint32_t>& word) {
  if (word.exchange(0, std::memory_order_seq_cst) == 0) return false;
  base::futex_wake(word);
  return true;
}

void Scheduler::poll_thread_loop() {
  if (config_.poll_mode == PollMode::kThread) {
    while (!stopping_.load(std::memory_order_seq_cst)) {
      GList list;
      blocking_poll(list);
      hand_out(list, polled_now());
    }
    return;
  }
  while (watch_ms()) {
    GList list;
    poll_source_->poll(0, list);
    hand_out(list, base::nanotime());
    wake_p();
  }
}

// Gives what the poll thread found, and what is due of every P's timers, to the Ms.
void Scheduler::hand_out(GList& list, std::int64_t now) {
  inject(list);
  for (const auto& p : ps_) {
    if (p->timers.earliest() <= now) p->timers.run(now);
  }
  end_external_ready();
}

// hybrid: returns true when the poll thread is to look, false when the scheduler stops.
bool Scheduler::watch_ms() {
  std::uint64_t seen = m_poll_count_.load(std::memory_order_relaxed);
  int quiet = 0;
  int steady = 0;
  for (;;) {
    if (stopping_.load(std::memory_order_seq_cst)) return false;
    if (quiet >= kQuietPeriods) {
      poll_thread_asleep_.store(1, std::memory_order_seq_cst);
      // Only while an M sits in the poller, or nothing is to be polled for, may this sleep last; both end with a wake.
      const bool may_sleep =
          m_polls_.load(std::memory_order_seq_cst) != 0 || idle_p_count_.load(std::memory_order_seq_cst) == ps_.size();
      if (may_sleep && !stopping_.load(std::memory_order_seq_cst)) base::futex_wait(poll_thread_asleep_, 1);
      poll_thread_asleep_.store(0, std::memory_order_seq_cst);
      quiet = 0;
    } else {
      // The word is 0, which wake_sleeper() leaves alone: a timed sleep that only stop_threads() cuts short.
      base::futex_wait(poll_thread_asleep_, 0, steady == kQuietPeriods ? kSteadyWatchPeriod : kWatchPeriod);
    }
    const std::uint64_t count = m_poll_count_.load(std::memory_order_relaxed);
    if (count != seen) {
      seen = count;
      quiet = 0;
      if (steady < kQuietPeriods) ++steady;
      continue;
    }
    steady = 0;
    poll_source_->flush_queued();
    if (m_polls_.load(std::memory_order_seq_cst) != 0 ||
        (poll_source_->waiters() == 0 && earliest_timer() == kNoTimer) ||
        idle_p_count_.load(std::memory_order_relaxed) == ps_.size()) {
      ++quiet;
      continue;
    }
    return true;
  }
}

}  // namespace netpoll::sched
