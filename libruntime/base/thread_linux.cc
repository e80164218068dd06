// How threads get their names, what becomes of SIGPIPE, and where a thread's stack is, on Linux.
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include <cerrno>

#include "libruntime/base/posix.h"
#include "libruntime/base/syscall.h"
#include "libruntime/base/thread.h"

namespace netpoll::base {

namespace {
constexpr std::uint64_t kPipeOnly = std::uint64_t{1} << (SIGPIPE - 1);  // as the kernel has its sets, not as glibc
}  // namespace

int create_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name) {
  const int error = pthread_create(&thread, nullptr, main, arg);
  if (error == 0) pthread_setname_np(thread, name);
  return error;
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

}  // namespace netpoll::base
