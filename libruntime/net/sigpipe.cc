#include "libruntime/net/sigpipe.h"

#include <signal.h>

#include <atomic>

namespace netpoll::net {

void ignore_sigpipe() {
  static std::atomic<bool> done{false};
  if (done.load(std::memory_order_acquire)) return;
  // Two threads may both get here, and install the same handler twice.
  struct sigaction current {};
  if (sigaction(SIGPIPE, nullptr, &current) == 0 && (current.sa_flags & SA_SIGINFO) == 0 &&
      current.sa_handler == SIG_DFL) {
    struct sigaction nothing {};
    nothing.sa_handler = [](int) {};
    nothing.sa_flags = SA_RESTART;
    sigaction(SIGPIPE, &nothing, nullptr);
  }
  done.store(true, std::memory_order_release);
}

}  // namespace netpoll::net
