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

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "netpoll/config.h"
#include "netpoll/go.h"
#include "netpoll/result.h"
#include "netpoll/trace/event.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll {

namespace detail {
struct RuntimeAccess;
}

// The back ends in this build, never empty and without kDefault; the first one is what kDefault means.
std::span<const PollerKind> available_pollers();

// Whether this machine lets the process have a back end of this kind, by making one and giving it up again; the Error
// says why not, and what to do about it. Thread-safe.
Result<void> try_poller(PollerKind kind);

// Goroutines by what they do (GStatus).
struct GoroutineCounts {
  std::uint64_t runnable = 0;  // waits for a P
  std::uint64_t running = 0;
  std::uint64_t syscall = 0;  // in a blocking call
  std::uint64_t waiting = 0;  // parked

  std::uint64_t total() const { return runnable + running + syscall + waiting; }
};

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

  // All goroutines, as netpoll-trace snapshot shows them, taken without stopping anything: each record is consistent in
  // itself, and they are taken one after another. Stacks and names are in it where the program is linked with
  // netpoll::debug (netpoll/debug/endpoint.h); who holds the other end of a connection is not. Thread-safe; blocks the
  // calling thread, and in a goroutine hands its P to another thread meanwhile.
  trace::GoroutineSnapshot snapshot() const;

  // How many goroutines there are. Nothing is stopped, so one that changes meanwhile may be missed or counted twice.
  // Thread-safe; a look at each record, without a lock.
  GoroutineCounts goroutine_counts() const;

  // Events since the start, by trace::Tp. Exact once the goroutines have ended. Thread-safe.
  std::array<std::uint64_t, trace::kTpCount> tracepoint_counts() const;

  const Config& config() const;

 private:
  friend struct detail::RuntimeAccess;  // libruntime/runtime_access.h
  sched::Scheduler& scheduler() const;
  void begin_run();
  void main_returned(Shutdown how);
  void wait_main();

  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace netpoll
