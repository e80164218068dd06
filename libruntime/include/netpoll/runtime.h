// Runtime: goroutines, their scheduler and the netpoller, as one object.
//
//   netpoll::Runtime runtime({.procs = 2});
//   runtime.run([] {
//     auto listener = netpoll::Listener::listen("127.0.0.1:0");
//     ...
//   });
//
// Two Runtimes can live in one process; a goroutine belongs to the Runtime that created it.
//
// Signals: goroutines run with the signal mask that the thread which started the first of them had then, and so do the
// children they start. Block what another thread is to wait for before that. A handler may run on a goroutine's stack,
// which is small; install it with SA_ONSTACK, and it gets one of 64 KiB.
#pragma once

#include <memory>
#include <span>
#include <utility>

#include "netpoll/config.h"
#include "netpoll/debug/snapshot.h"
#include "netpoll/go.h"

namespace netpoll {

// The back ends in this build, never empty and without kDefault; the first one is what kDefault means.
std::span<const PollerKind> available_pollers();

class Runtime {
 public:
  // What shutdown does with goroutines that still exist.
  enum class Shutdown {
    kWait,    // waits until the last one ended
    kCancel,  // their I/O, sleeps and channel operations return kCanceled; then waits until they ended
  };

  // No descriptor is opened before the first registration and no thread is started before the first goroutine.
  explicit Runtime(Config config = {});
  // Shuts down with kCancel.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Starts a goroutine. Callable from any thread and from any goroutine, also of another Runtime.
  template <typename F>
  [[gnu::noinline]] void go(F&& f) {
    detail::spawn(&scheduler(), std::forward<F>(f), __builtin_return_address(0));
  }

  // Runs f as the main goroutine, blocks the calling thread until it returned, then shuts down as told. Once per
  // Runtime, not from a goroutine.
  template <typename F>
  void run(F&& f, Shutdown how = Shutdown::kCancel) {
    begin_run();
    go([this, how, f = std::forward<F>(f)]() mutable {
      detail::call_until_exit(f);
      main_returned(how);
    });
    wait_main();
    shutdown(how);
  }

  // Ends all goroutines as told and stops the threads. Idempotent; not from a goroutine of this Runtime. A goroutine
  // started meanwhile is still run (and cancelled).
  void shutdown(Shutdown how);

  // A copy of all goroutines and registrations, taken without stopping anything; see debug/snapshot.h. Thread-safe.
  debug::Snapshot snapshot() const;

  const Config& config() const;
  sched::Scheduler& scheduler() const;

 private:
  void begin_run();
  void main_returned(Shutdown how);
  void wait_main();

  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace netpoll
