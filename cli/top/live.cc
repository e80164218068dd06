// The thread that looks, and the loop of keys and screens.
#include "cli/top/live.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "cli/top/browser.h"
#include "cli/top/terminal.h"
#include "netpoll/fd.h"
#include "probes/process/descriptors/descriptors.h"

namespace netpoll::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Takes samples on a thread of its own, at most one ahead of whoever reads them.
class Looker {
 public:
  // took: what the look before cost.
  Looker(Sampler& sampler, std::chrono::nanoseconds interval, std::chrono::nanoseconds took, TopDepth depth)
      : sampler_(sampler), next_(Clock::now() + std::max(interval, took)), interval_(interval), depth_(depth) {}
  ~Looker() { stop(); }
  Looker(const Looker&) = delete;
  Looker& operator=(const Looker&) = delete;

  Result<void> start() {
    ready_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!ready_.valid()) return posix_error("eventfd", errno);
    thread_ = std::thread(&Looker::run, this);
    return {};
  }
  // Waits for a look that is under way.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  // Where somebody wants to see more than before, a look begins at once.
  void set(std::chrono::nanoseconds interval, bool paused, TopDepth depth) {
    {
      const std::lock_guard lock(mutex_);
      if (interval == interval_ && paused == paused_ && depth == depth_) return;
      if (depth > depth_) next_ = Clock::now();
      depth_ = depth;
      interval_ = interval;
      paused_ = paused;
    }
    changed_.notify_all();
  }
  // Readable when there is a sample.
  int fd() const { return ready_.get(); }
  std::shared_ptr<const TopSample> take() {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(ready_.get(), &count, sizeof count);
    std::shared_ptr<const TopSample> sample;
    {
      const std::lock_guard lock(mutex_);
      sample = std::move(sample_);
    }
    changed_.notify_all();
    return sample;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto wanted = [&] { return !paused_ && !sample_; };
      if (!wanted()) {
        changed_.wait(lock, [&] { return stopping_ || wanted(); });
      } else if (Clock::now() < next_) {
        changed_.wait_until(lock, next_);
        // A shorter interval begins at once.
        next_ = std::min(next_, Clock::now() + interval_);
      } else if (!stopping_) {
        const TopDepth depth = depth_;
        lock.unlock();
        const auto begin = Clock::now();
        auto sample = std::make_shared<const TopSample>(sampler_.take(depth));
        const auto end = Clock::now();
        lock.lock();
        sample_ = std::move(sample);
        // However long a look takes, it is not more than half of the time.
        next_ = depth < depth_ ? end : std::max(begin + interval_, end + (end - begin));
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t n = ::write(ready_.get(), &one, sizeof one);
      }
      if (stopping_) return;
    }
  }

  Sampler& sampler_;
  Fd ready_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  Clock::time_point next_;
  std::chrono::nanoseconds interval_;
  bool paused_ = false;
  TopDepth depth_;
  bool stopping_ = false;
  std::shared_ptr<const TopSample> sample_;
  std::thread thread_;
};

std::vector<trace::PeerProcess> find_peers(pid_t pid, int fd) {
  probes::Descriptors found = probes::describe_descriptors(pid, {fd}, probes::Ends::kBoth);
  return std::move(found[fd].peer_processes);
}

int until(Clock::time_point end) {
  if (end == Clock::time_point::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
}

}  // namespace

Result<void> check_terminal() { return Terminal::check(); }

Result<ExitStatus> run_on_terminal(Sampler& sampler, TopModel& model, const TopPace& pace,
                                   std::shared_ptr<const TopSample> first, bool color, Interrupt& interrupt) {
  // Ends after the terminal: a look that is under way does not keep the screen.
  Looker looker(sampler, pace.interval, first->took, first->depth);
  auto terminal = Terminal::open(color);
  if (!terminal) return std::move(terminal).error();
  Terminal& screen = **terminal;
  TopBrowser browser(model, pace.interval, screen.rules(), find_peers);
  browser.take(std::move(first));
  if (auto started = looker.start(); !started) return std::move(started).error();
  const auto end = pace.duration ? Clock::now() + *pace.duration : Clock::time_point::max();
  std::uint64_t looks = 1;
  for (;;) {
    screen.show(browser.draw(screen.width(), screen.height()));
    const auto woken = screen.wait({interrupt.fd(), looker.fd()}, until(end));
    if (interrupt.requested()) return interrupt.status();
    if (woken == Terminal::Woken::kGone) {
      return Error(ErrorKind::kNotFound, "the terminal is gone").with_hint("netpoll-trace top -b needs none");
    }
    for (auto pressed = screen.next_key(); pressed.any; pressed = screen.next_key()) {
      if (pressed.redraw) screen.redraw();
      if (pressed.key && !browser.press(*pressed.key)) return ExitStatus::kDone;
    }
    looker.set(browser.interval(), browser.frozen(), browser.depth());
    if (auto sample = looker.take()) {
      browser.take(std::move(sample));
      if (pace.looks && ++looks >= *pace.looks) return ExitStatus::kDone;
    }
    if (Clock::now() >= end) return ExitStatus::kDone;
  }
}

}  // namespace netpoll::cli
