// How threads get their names, what becomes of SIGPIPE, and where a thread's stack is, on FreeBSD and macOS.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#if defined(__FreeBSD__)
#include <pthread_np.h>
#endif

#include <cerrno>
#include <ctime>
#include <memory>

#include "libruntime/base/posix.h"
#include "libruntime/base/thread.h"

namespace netpoll::base {
namespace {

struct Start {
  void* (*main)(void*);
  void* arg;
  const char* name;
};

#if defined(__APPLE__)
void name_this_thread(const char* name) { ::pthread_setname_np(name); }
#else
void name_this_thread(const char* name) { ::pthread_set_name_np(::pthread_self(), name); }
#endif

// macOS has a thread name itself alone.
void* begin(void* start) {
  const std::unique_ptr<Start> owned(static_cast<Start*>(start));
  const Start copy = *owned;
  name_this_thread(copy.name);
  return copy.main(copy.arg);
}

}  // namespace

int create_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name) {
  auto start = std::make_unique<Start>(Start{main, arg, name});
  const int error = pthread_create(&thread, nullptr, begin, start.get());
  if (error == 0) static_cast<void>(start.release());  // the thread's
  return error;
}

#if defined(__APPLE__)

// A call of its own for each descriptor; SIGPIPE may go to any thread there (fcntl(2): F_SETNOSIGPIPE).
bool block_sigpipe(int fd) {
  ::fcntl(fd, F_SETNOSIGPIPE, 1);
  return false;
}

void end_sigpipe(bool /*pending*/) {}

ThreadStack thread_stack() {
  const std::size_t size = ::pthread_get_stacksize_np(::pthread_self());
  return {static_cast<char*>(::pthread_get_stackaddr_np(::pthread_self())) - size, size};
}

#else

namespace {

sigset_t pipe_only() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

}  // namespace

bool block_sigpipe(int /*fd*/) {
  const sigset_t set = pipe_only();
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &set, &before);
  return sigismember(&before, SIGPIPE) == 0;
}

void end_sigpipe(bool pending) {
  const sigset_t set = pipe_only();
  const timespec now{};
  while (pending && ::sigtimedwait(&set, nullptr, &now) < 0 && errno == EINTR) {
  }
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

ThreadStack thread_stack() {
  ThreadStack stack;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return stack;
  if (::pthread_attr_get_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &stack.lo, &stack.size);
  }
  pthread_attr_destroy(&attributes);
  return stack;
}

#endif

// Their timers keep to what is asked, as far as the kernel's clock goes.
void sleep_precisely() {}

}  // namespace netpoll::base
