// wait.h: how a goroutine waits for an event that is not I/O, and how exactly one of several wakers wakes it.
//
// Channels, select, mutexes, semaphores, sleep, cancellation and shutdown all use this one protocol:
//
//   WaitHandle h = begin_wait();           // arm; the handle may now be given to wakers (copied into waiter nodes)
//   ... put {h} where wakers find it, under the lock of that list ...
//   WakeResult r = finish_wait(h, reason); // park until somebody wins the claim (returns at once if one did already)
//   ... take own nodes off the lists that did not win, under their locks ...
//
//   wake(h, result)                        // any thread; true for the one winner, false for everybody later
//
// A handle is {G, generation}. Gs are type-stable and the generation grows with every wait, so a waker that comes too
// late (a timer, a second select case) loses cleanly: it touches no memory of the waiter's stack.
//
// G::wait_word = generation << 5 | result << 3 | cancelable << 2 | state. States, and who may leave them:
//   kWaitArmed   0  begin_wait .. park commit. Waker -> kWaitClaimed (then the commit fails and the G does not park).
//                   Commit (on g0, after the G's context is saved) -> kWaitParked.
//   kWaitParked  1  Waker -> kWaitClaimed, and the waker makes the G runnable.
//   kWaitClaimed 2  nobody; the next begin_wait of the same G starts the next generation.
// The result travels in the word, so that a goroutine that was claimed before it parked reads it from the same access.
#pragma once

#include <cstdint>

#include "netpoll/wait_reason.h"

namespace netpoll::sched {

struct G;

struct WaitHandle {
  G* g = nullptr;
  std::uint64_t generation = 0;
};

// Why a wait ended.
enum class WakeResult : std::uint8_t {
  kOk,        // the event itself
  kTimeout,   // a timer won
  kCanceled,  // shutdown(kCancel) or a cancelled context won
  kClosed,    // the object waited for was closed (channels)
};

// Arms a wait of the calling goroutine. Fatal outside of goroutines.
WaitHandle begin_wait();

// Parks until wake(h) won. With `cancelable` the wait also ends with kCanceled when the Runtime shuts down with
// kCancel (also if that happened before). Mutexes and wait groups wait uncancelably: their holders are cancelled.
WakeResult finish_wait(WaitHandle h, WaitReason reason, bool cancelable);

// Tries to end the wait h. Thread-safe, callable with locks of the caller's held (it takes no lock that is held while
// user locks are taken; see HACKING.md, lock order). Makes the G runnable when it was parked.
bool wake(WaitHandle h, WakeResult result);

// For a waker that may hold its P for long after wake(), as whoever unlocks does: an idle P, if there is one, takes
// what waits behind it. (A waker that soon parks needs nobody: waking an M costs more than running a short slice here.)
void share_queue();

}  // namespace netpoll::sched
