// Threads with a name and without the program's signals.
#include "libruntime/base/thread.h"

#include <signal.h>

#include "libruntime/base/fatal.h"

namespace netpoll::base {

void start_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name) {
  sigset_t all, old;
  sigfillset(&all);
  // Faults belong to the thread that makes them, and profilers may want theirs.
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) sigdelset(&all, signal);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  const int error = pthread_create(&thread, nullptr, main, arg);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (error != 0) fatalf("netpoll: cannot start thread %s: errno %d", name, error);
  pthread_setname_np(thread, name);
}

}  // namespace netpoll::base
