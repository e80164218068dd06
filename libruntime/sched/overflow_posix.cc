// The signal handler that tells an overflow of a goroutine's stack from other faults, and the stack that it runs on.
#include <signal.h>

#include <mutex>

#include "libruntime/base/system.h"
#include "libruntime/sched/crash_report.h"
#include "libruntime/sched/scheduler.h"

namespace netpoll::sched {
namespace {

constexpr std::size_t kAlternateSize = 64 * 1024;

struct sigaction old_segv, old_bus;

void chain(int signal, siginfo_t* info, void* context) {
  const struct sigaction& old = signal == SIGSEGV ? old_segv : old_bus;
  if ((old.sa_flags & SA_SIGINFO) != 0 && old.sa_sigaction != nullptr) {
    old.sa_sigaction(signal, info, context);
    return;
  }
  if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN && old.sa_handler != nullptr) {
    old.sa_handler(signal);
    return;
  }
  // Default action: put it back and let the fault happen again.
  ::signal(signal, SIG_DFL);
}

void on_fault(int signal, siginfo_t* info, void* context) {
  if (M* m = current_m(); m != nullptr) {
    if (G* g = m->scheduler->gs().find_by_guard_address(info->si_addr); g != nullptr) {
      stack_overflow(g);
    }
  }
  chain(signal, info, context);
}

}  // namespace

AlternateStack::AlternateStack() {
  memory_ = base::map_lazily(kAlternateSize);
  if (memory_ == nullptr) return;
  stack_t stack{};
  stack.ss_sp = memory_;
  stack.ss_size = kAlternateSize;
  sigaltstack(&stack, nullptr);
}

AlternateStack::~AlternateStack() {
  if (memory_ == nullptr) return;
  stack_t off{};
  off.ss_flags = SS_DISABLE;
  sigaltstack(&off, nullptr);
  base::unmap(memory_, kAlternateSize);
}

void install_overflow_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &old_segv);
    sigaction(SIGBUS, &action, &old_bus);
  });
}

}  // namespace netpoll::sched
