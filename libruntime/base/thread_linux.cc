// Threads with a name and without the program's signals.
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include <cstring>

#include "libruntime/base/fatal.h"
#include "libruntime/base/posix.h"
#include "libruntime/base/syscall.h"
#include "libruntime/base/thread.h"

namespace netpoll::base {

namespace {
constexpr std::uint64_t kPipeOnly = std::uint64_t{1} << (SIGPIPE - 1);  // as the kernel has its sets, not as glibc
}  // namespace

static_assert(sizeof(sigset_t) <= sizeof(SignalMask));

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

bool block_sigpipe(int /*fd*/) {
  std::uint64_t before = 0;
  sys(SYS_rt_sigprocmask, SIG_BLOCK, &kPipeOnly, &before, sizeof before);
  return (before & kPipeOnly) == 0;
}

void end_sigpipe(bool pending) {
  const timespec now{};
  while (pending && sys(SYS_rt_sigtimedwait, &kPipeOnly, nullptr, &now, sizeof kPipeOnly) == -EINTR) {
  }
  sys(SYS_rt_sigprocmask, SIG_UNBLOCK, &kPipeOnly, nullptr, sizeof kPipeOnly);
}

// The default slack of 50 µs (prctl(2), PR_SET_TIMERSLACK) is for batch work.
void sleep_precisely() { prctl(PR_SET_TIMERSLACK, 1000); }

ThreadStack thread_stack() {
  ThreadStack stack;
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &stack.lo, &stack.size);
    pthread_attr_destroy(&attributes);
  }
  return stack;
}

void before_each_fork(void (*handler)()) { pthread_atfork(handler, nullptr, nullptr); }

}  // namespace netpoll::base
