// Threads with a name and without the program's signals, as far as POSIX says how.
#include <pthread.h>
#include <signal.h>

#include <cstring>

#include "libruntime/base/fatal.h"
#include "libruntime/base/posix.h"
#include "libruntime/base/thread.h"

namespace netpoll::base {

static_assert(sizeof(sigset_t) <= sizeof(SignalMask));

void start_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name) {
  sigset_t all, old;
  sigfillset(&all);
  // Faults belong to the thread that makes them, and profilers may want theirs.
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) sigdelset(&all, signal);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  const int error = create_thread(thread, main, arg, name);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (error != 0) fatalf("netpoll: cannot start thread %s: errno %d", name, error);
}

SignalMask signal_mask() {
  sigset_t set;
  pthread_sigmask(SIG_BLOCK, nullptr, &set);
  SignalMask mask;
  std::memcpy(mask.bits, &set, sizeof set);
  return mask;
}

void use_signal_mask(const SignalMask& mask) {
  sigset_t set;
  std::memcpy(&set, mask.bits, sizeof set);
  for (const int signal : {SIGSEGV, SIGBUS}) sigdelset(&set, signal);
  pthread_sigmask(SIG_SETMASK, &set, nullptr);
}

void before_each_fork(void (*handler)()) { pthread_atfork(handler, nullptr, nullptr); }

}  // namespace netpoll::base
