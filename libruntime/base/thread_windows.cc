// Threads of winpthreads, with a name. Windows has no signals and no fork(2); sleeps are exact by their timers
// (precise_timer.h).
#include <windows.h>

#include <pthread.h>

#include "libruntime/base/fatal.h"
#include "libruntime/base/thread.h"

namespace netpoll::base {

void start_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name) {
  const int error = pthread_create(&thread, nullptr, main, arg);
  if (error != 0) fatalf("netpoll: cannot start thread %s: errno %d", name, error);
  pthread_setname_np(thread, name);
}

SignalMask signal_mask() { return {}; }
void use_signal_mask(const SignalMask&) {}
void sleep_precisely() {}

ThreadStack thread_stack() {
  ULONG_PTR lo = 0;
  ULONG_PTR hi = 0;
  GetCurrentThreadStackLimits(&lo, &hi);
  return {reinterpret_cast<void*>(lo), hi - lo};
}

void before_each_fork(void (*)()) {}

}  // namespace netpoll::base
