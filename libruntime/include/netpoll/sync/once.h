// Once: runs something the first time it is asked for, and lets everybody else wait until that is done.
//
//   static netpoll::Once loaded;
//   loaded.call([] { load_table(); });
//
// Threads:   goroutines only, of any Runtime. After the first call() is done, any thread; then it costs one load.
// Order:     what f did is visible to every caller when its call() returns.
// Shutdown:  waits also while the Runtime shuts down with kCancel (f is cancelled in what it does, and returns).
// Bugs:      call() of the same Once from inside f waits for itself.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>

#include "netpoll/sync/mutex.h"

namespace netpoll {

class Once {
 public:
  Once() = default;
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;

  template <typename F>
  void call(F&& f) {
    if (done_.load(std::memory_order_acquire)) return;
    const std::lock_guard hold(mutex_);
    if (done_.load(std::memory_order_relaxed)) return;
    // Set also if f throws: as in Go, once means once, not "until it works".
    struct Mark {
      std::atomic<bool>& done;
      ~Mark() { done.store(true, std::memory_order_release); }
    } mark{done_};
    std::forward<F>(f)();
  }

  bool done() const { return done_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> done_{false};
  Mutex mutex_;
};

}  // namespace netpoll
