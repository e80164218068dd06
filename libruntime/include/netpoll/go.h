// go.h: what a goroutine can do with itself.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "netpoll/result.h"
#include "netpoll/time.h"

namespace netpoll {

namespace sched {
class Scheduler;
struct G;
}  // namespace sched

namespace detail {
// Takes a goroutine record with a stack; returns where a closure of size and align is to be built (on the new stack).
struct Spawn {
  sched::G* g;
  void* closure;
};
// A closure of up to this size and alignment is built in the record itself.
inline constexpr std::size_t kClosureRoom = 32;
inline constexpr std::size_t kClosureAlign = 16;
constexpr bool fits_record(std::size_t size, std::size_t align) {
  return size <= kClosureRoom && align <= kClosureAlign;
}
Spawn spawn_begin(sched::Scheduler* scheduler, std::size_t size, std::size_t align, void* caller);
// The same for a function of go_when_readable(), whose closure has room in the record; needs no stack yet.
Spawn spawn_begin_at_rest(void* caller);
void spawn_commit(sched::G* g, void (*entry)(void* closure));

// What go_exit() throws. Whoever destroys it before it arrived, a `catch (...)` that does not rethrow, is told so.
struct Exit {
  bool arrived = false;
  ~Exit() {
    if (!arrived) swallowed();
  }
  [[noreturn]] static void swallowed();
};

// Calls f; returns when f returned or go_exit() was called in it.
template <typename F>
void call_until_exit(F& f) {
  try {
    f();
  } catch (Exit& exit) {
    exit.arrived = true;
  }
}

// Starts f as a goroutine of scheduler, or of the current one if that is null. caller is who is told to have made it.
// The debugger's view goes by the name of this function (libruntime/symbols/goroutine_names.h).
template <typename F>
void spawn(sched::Scheduler* scheduler, F&& f, void* caller) {
  using Fn = std::decay_t<F>;
  const Spawn made = spawn_begin(scheduler, sizeof(Fn), alignof(Fn), caller);
  new (made.closure) Fn(std::forward<F>(f));
  spawn_commit(made.g, [](void* closure) {
    auto* fn = static_cast<Fn*>(closure);
    call_until_exit(*fn);
    fn->~Fn();
  });
}
}  // namespace detail

// Starts f as a goroutine of the current goroutine's Runtime. f is moved onto the new stack and destroyed there when it
// returns. An exception that escapes f is fatal and names the goroutine.
template <typename F>
[[gnu::noinline]] void go(F&& f) {
  detail::spawn(nullptr, std::forward<F>(f), __builtin_return_address(0));
}

// Ends the calling goroutine, from any depth of calls (Go: runtime.Goexit). The destructors of what lies on its stack
// run first. It travels as an exception: a `catch (...)` on its way has to rethrow it (not to is fatal), and a noexcept
// function on its way ends the process, as for any exception. In the function given to Runtime::run() it is the same as
// returning from that. Fatal outside of goroutines.
[[noreturn]] void go_exit();

// Lets other goroutines run; the caller goes to the end of a run queue.
void yield();

// Parks for at least d; for the longest d, for ever. kCanceled when the Runtime shuts down with kCancel first.
Result<void> sleep(std::chrono::nanoseconds d);
// Parks until the steady clock (CLOCK_MONOTONIC) reaches t.
Result<void> sleep_until(TimePoint t);

// Id of the calling goroutine, unique within its Runtime; 0 outside of goroutines.
std::uint64_t goid();

// Whether the Runtime of the calling goroutine is shutting down with kCancel. For loops that never wait.
bool canceled();

namespace detail {
void enter_blocking();
void exit_blocking();
}  // namespace detail

// Runs f, which may block the thread (a file, getaddrinfo, a foreign library), while another thread takes over the P,
// so other goroutines go on. f runs on the goroutine's stack and must not park, yield or use errno afterwards; return
// errno from f instead. Returns what f returned.
template <typename F>
auto block_on(F&& f) -> decltype(f()) {
  struct Guard {
    Guard() { detail::enter_blocking(); }
    ~Guard() { detail::exit_blocking(); }
  } guard;
  return std::forward<F>(f)();
}

}  // namespace netpoll
