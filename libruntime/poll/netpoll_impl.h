// netpoll_impl.h: the one implementation of Netpoll, over any Poller.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <unordered_set>

#include "libruntime/poll/netpoll.h"
#include "libruntime/poll/poll_cache.h"
#include "libruntime/poll/poller.h"
#include "libruntime/sched/poll_source.h"
#include "libruntime/sched/scheduler.h"

namespace netpoll::poll {

class NetpollImpl final : public Netpoll, public sched::PollSource {
 public:
  // poller is not initialised yet; that happens at the first registration.
  NetpollImpl(sched::Scheduler& scheduler, std::unique_ptr<Poller> poller);

  // Netpoll
  Result<PollDesc*> open(int fd) override;
  using Netpoll::wait;
  PollResult wait(PollDesc& pd, Mode mode, const void* owner) override;
  void set_deadline(PollDesc& pd, unsigned modes, std::int64_t when) override;
  void unblock(PollDesc& pd) override;
  void close(PollDesc& pd, bool shared) override;

  // sched::PollSource
  bool initialized() const override { return initialized_.load(std::memory_order_acquire); }
  std::uint32_t waiters() const override { return waiters_.load(std::memory_order_relaxed); }
  void poll(std::int64_t delay_ns, sched::GList& out) override;
  void wake() override;
  void cancel_all() override;
  void audit() override;

  // Called once, with the descriptor other tools may look at, when the poller was created.
  void on_initialized(std::function<void(int)> callback) { on_initialized_ = std::move(callback); }

  const PollCache& cache() const { return cache_; }

 private:
  bool block(PollDesc& pd, Mode mode, const void* owner);
  sched::G* take_waiter(PollDesc& pd, Mode mode, bool io_ready);
  void ready(sched::G* g, PollDesc& pd, Mode mode);
  void prefetch_event(const Readiness* events, int count, int i) const;
  void on_event(const Readiness& event, trace::Lane& lane, sched::GList& out);
  void arm(PollDesc& pd, Mode mode);
  int tell_interest(PollDesc& pd) NETPOLL_REQUIRES(pd.lock);
  std::uint32_t after_delivery(PollDesc& pd, std::uint32_t modes) NETPOLL_REQUIRES(pd.lock);
  sched::HeapTimer& timer_of(PollDesc& pd, Mode mode) NETPOLL_REQUIRES(pd.lock);
  void change_deadline(PollDesc& pd, Mode mode, std::int64_t when, sched::G** unblocked) NETPOLL_REQUIRES(pd.lock);
  void deadline_passed(PollDesc& pd, Mode mode, std::uint64_t life);
  void found_foreign(PollDesc& pd, std::int32_t fd, ForeignCtl kind);
  int initialize();
  void wait_without_poller(std::int64_t delay_ns);
  struct Comparison;
  Comparison compare_registrations() const;
  bool ever_ours(std::uint64_t data) const;

  sched::Scheduler& scheduler_;
  const Trigger trigger_;
  std::unique_ptr<Poller> poller_;
  PollCache cache_;
  std::atomic<std::uint32_t> waiters_{0};
  std::atomic<bool> initialized_{false};
  std::atomic<std::uint32_t> woken_{0};  // futex of wait_without_poller(): 1 once that is to end
  std::atomic<bool> canceled_{false};
  std::function<void(int)> on_initialized_;
  base::Mutex init_mutex_;
  base::Mutex audit_mutex_;
  std::unordered_set<int> foreign_fds_ NETPOLL_GUARDED_BY(audit_mutex_);  // reported already
};

}  // namespace netpoll::poll
