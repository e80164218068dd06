// poller_epoll.cc: Linux.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "libruntime/base/syscall.h"
#include "libruntime/poll/poller_backends.h"
#include "netpoll/fd.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441  // since Linux 5.11; the same number on every architecture
#endif

namespace netpoll::poll {
namespace {

// The wake descriptor's data. Ours start with index 1, so 0 is free.
constexpr std::uint64_t kWakeData = 0;
constexpr int kMaxBatch = 128;
// PRI: a read stops at urgent data, so there too a short read leaves something behind (tcp(7), MSG_OOB).
constexpr std::uint32_t kAllEdges = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET;

class EpollPoller final : public Poller {
 public:
  explicit EpollPoller(Trigger trigger) : trigger_(trigger) {}

  int init() override {
    const int result = create();
    if (result < 0) {
      epfd_.reset();
      wakefd_.reset();
    }
    return result;
  }

  int open(int fd, std::uint64_t data) override { return ctl(EPOLL_CTL_ADD, fd, initial_events(), data); }

  int arm(int fd, std::uint64_t data, std::uint32_t modes) override {
    std::uint32_t events = 0;
    if ((modes & kReadBit) != 0) events |= EPOLLIN | EPOLLRDHUP;
    if ((modes & kWriteBit) != 0) events |= EPOLLOUT;
    if (trigger_ == Trigger::kOneshot) {
      events |= EPOLLONESHOT;
    } else if (modes == 0) {
      // HUP and ERR cannot be masked (epoll_ctl(2)); edge-triggered they are reported once and not for ever.
      events |= EPOLLET;
    }
    return ctl(EPOLL_CTL_MOD, fd, events, data);
  }

  int arm_edge(int fd, std::uint64_t data) override { return ctl(EPOLL_CTL_MOD, fd, kAllEdges, data); }

  int repair(int fd, std::uint64_t data) override {
    const int result = ctl(EPOLL_CTL_MOD, fd, initial_events(), data);
    return result == -ENOENT ? ctl(EPOLL_CTL_ADD, fd, initial_events(), data) : result;
  }

  int close(int fd) override {
    return static_cast<int>(base::sys(SYS_epoll_ctl, epfd_.get(), EPOLL_CTL_DEL, fd, nullptr));
  }

  // The kernel keeps a registration as long as the open file, not the descriptor (epoll(7), question 6).
  bool outlives_close(bool shared) const override { return shared; }

  [[gnu::hot]] int poll(std::int64_t delay_ns, Readiness* out, int max) override {
    epoll_event events[kMaxBatch];
    const int count = wait(events, std::min(max, kMaxBatch), delay_ns);
    if (count < 0) return count == -EINTR ? 0 : count;
    int used = 0;
    for (int i = 0; i < count; ++i) {
      const std::uint32_t bits = events[i].events;
      if (events[i].data.u64 == kWakeData) {
        if (delay_ns != 0) drain_wake();
        continue;
      }
      Readiness& event = out[used++];
      event.data = events[i].data.u64;
      event.modes = 0;
      if ((bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) event.modes |= kReadBit;
      if ((bits & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) event.modes |= kWriteBit;
      event.hangup = (bits & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0;
      event.lasting = (bits & (EPOLLHUP | EPOLLERR)) != 0;
    }
    return used;
  }

  void wake() override {
    std::uint32_t expected = 0;
    if (!wake_pending_.compare_exchange_strong(expected, 1)) return;
    const std::uint64_t one = 1;
    base::sys(SYS_write, wakefd_.get(), &one, sizeof one);
  }

  int debug_fd() const override { return epfd_.get(); }

 private:
  std::uint32_t initial_events() const {
    switch (trigger_) {
      case Trigger::kEdge:
        return kAllEdges;
      case Trigger::kOneshot:
        return EPOLLONESHOT;
      case Trigger::kLevel:
        return EPOLLET;
    }
    return 0;
  }

  int ctl(int op, int fd, std::uint32_t events, std::uint64_t data) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = data;
    return static_cast<int>(base::sys(SYS_epoll_ctl, epfd_.get(), op, fd, &event));
  }

  int create() {
    const long epfd = base::sys(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (epfd < 0) return static_cast<int>(epfd);
    epfd_.reset(static_cast<int>(epfd));
    const long wakefd = base::sys(SYS_eventfd2, 0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wakefd < 0) return static_cast<int>(wakefd);
    wakefd_.reset(static_cast<int>(wakefd));
    // Level-triggered: a look that does not drain it leaves it for the blocked poll it is meant for.
    return ctl(EPOLL_CTL_ADD, wakefd_.get(), EPOLLIN, kWakeData);
  }

  // Looks and unlimited waits go through the call that every kernel has and that is cheapest; timed waits through
  // epoll_pwait2, which counts nanoseconds, where the kernel has it (else rounded up to milliseconds).
  int wait(epoll_event* events, int max, std::int64_t delay_ns) {
    if (delay_ns > 0 && have_pwait2_.load(std::memory_order_relaxed)) {
      timespec timeout{delay_ns / 1'000'000'000, delay_ns % 1'000'000'000};
      const long result = base::sys(SYS_epoll_pwait2, epfd_.get(), events, max, &timeout, nullptr, 0);
      if (result != -ENOSYS) return static_cast<int>(result);
      have_pwait2_.store(false, std::memory_order_relaxed);
    }
    int timeout_ms = static_cast<int>(delay_ns);
    if (delay_ns > 0) {
      constexpr std::int64_t kMaxMs = 1'000'000'000;  // Go's cap: about 11.5 days
      timeout_ms = static_cast<int>(std::min((delay_ns - 1) / 1'000'000 + 1, kMaxMs));
    } else if (delay_ns < 0) {
      timeout_ms = -1;
    }
#if defined(SYS_epoll_wait)
    return static_cast<int>(base::sys(SYS_epoll_wait, epfd_.get(), events, max, timeout_ms));
#else
    return static_cast<int>(base::sys(SYS_epoll_pwait, epfd_.get(), events, max, timeout_ms, nullptr, 0));
#endif
  }

  void drain_wake() {
    std::uint64_t value;
    base::sys(SYS_read, wakefd_.get(), &value, sizeof value);
    wake_pending_.store(0);
  }

  const Trigger trigger_;
  Fd epfd_;
  Fd wakefd_;
  std::atomic<std::uint32_t> wake_pending_{0};
  std::atomic<bool> have_pwait2_{true};
};

}  // namespace

std::unique_ptr<Poller> make_epoll_poller(Trigger trigger) { return std::make_unique<EpollPoller>(trigger); }

}  // namespace netpoll::poll
