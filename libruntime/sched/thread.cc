// Threads with a name and without the program's signals.
#include "libruntime/sched/thread.h"

#include <sys/prctl.h>

#include "libruntime/base/fatal.h"

namespace netpoll::sched {

void start_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name) {
  sigset_t all, old;
  sigfillset(&all);
  // Faults belong to the thread that makes them, and profilers may want theirs.
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) sigdelset(&all, signal);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  const int error = pthread_create(&thread, nullptr, main, arg);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (error != 0) base::fatalf("netpoll: cannot start thread %s: errno %d", name, error);
  pthread_setname_np(thread, name);
}

void use_program_mask(const sigset_t& program) {
  sigset_t mask = program;
  for (const int signal : {SIGSEGV, SIGBUS}) sigdelset(&mask, signal);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

void adopt_thread_stack(context::SanitizerFiber& fiber) {
  pthread_attr_t attributes;
  void* lo = nullptr;
  std::size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &lo, &size);
    pthread_attr_destroy(&attributes);
  }
  context::fiber_adopt_thread(fiber, lo, size);
  // Sleeps of 100 µs should not take 150: the default slack of 50 µs (prctl(2), PR_SET_TIMERSLACK) is for batch work.
  prctl(PR_SET_TIMERSLACK, 1000);
}

}  // namespace netpoll::sched
