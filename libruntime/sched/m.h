// m.h: an OS thread that runs goroutines.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "libruntime/base/futex.h"
#include "libruntime/context/context.h"
#include "libruntime/sched/g.h"
#include "libruntime/sched/p.h"

namespace netpoll::sched {

class Scheduler;

// What the scheduler's own flow (g0) does for the goroutine that just switched away. It runs there because only then is
// the goroutine's context complete, so that another M may continue it at once. kRest is kPark for one that has left its
// stack for good.
enum class After : std::uint8_t { kPark, kRest, kYield, kExit, kSyscallExit };

// Decides, on g0, whether a goroutine that wanted to park really stays parked. After it returned true the G may already
// run elsewhere and must not be touched.
using ParkCommit = bool (*)(G* g, void* arg);

struct M {
  context::MachineContext g0;  // the flow of schedule(), on the thread's own stack
  G* curg = nullptr;
  P* p = nullptr;          // null while idle, polling without a P, or after a hand-off
  P* next_p = nullptr;     // handed over by whoever wakes this M
  P* blocked_p = nullptr;  // left in kPSyscall around a blocking call
  bool spinning = false;   // out of work and looking for it
  After after{};
  std::uint64_t control_words = context::kUnknownControlWords;  // of this thread, as its last goroutine left them
  ParkCommit commit = nullptr;
  void* commit_arg = nullptr;
  void** exception_globals = nullptr;  // this thread's __cxa_eh_globals
  Scheduler* scheduler = nullptr;
  M* link = nullptr;  // idle list
  base::Note note;    // sleeps here while on the idle list
  std::uint32_t id = 0;
  pthread_t thread{};
};

// The calling thread's M, null on threads that are not Ms. Never inlined: a goroutine may resume on another thread, and
// an address of thread-local storage that the compiler kept across the switch would belong to the old one.
M* current_m();
// The goroutine that runs, null on g0 and foreign threads.
G* current_g();

}  // namespace netpoll::sched
