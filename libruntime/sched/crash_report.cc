// The signal handler that tells an overflow of a goroutine's stack from other faults, and the reports of all ends.
#include "libruntime/sched/crash_report.h"

#include <cxxabi.h>
#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <typeinfo>

#include "libruntime/base/fatal.h"
#include "libruntime/base/syscall.h"
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

std::terminate_handler old_terminate;

void print_current_goroutine() {
  G* g = current_g();
  if (g == nullptr) return;
  base::log_line("goroutine %llu [running] on runtime \"%s\", created by goroutine %llu at %p, last fd %d",
                 static_cast<unsigned long long>(g->goid.load()), g->scheduler->config().name.c_str(),
                 static_cast<unsigned long long>(g->parent_goid.load()), reinterpret_cast<void*>(g->created_pc.load()),
                 g->wait_fd.load());
  void* frames[48];
  const int count = backtrace(frames, 48);
  backtrace_symbols_fd(frames, count, 2);
}

void on_terminate() {
  G* g = current_g();
  if (g == nullptr) {
    if (old_terminate != nullptr) old_terminate();
    std::abort();
  }
  const char* what = "no message";
  const char* type = "unknown type";
  if (const std::type_info* info = abi::__cxa_current_exception_type(); info != nullptr) type = info->name();
  int status = 0;
  char* demangled = abi::__cxa_demangle(type, nullptr, nullptr, &status);
  std::string text;
  if (std::exception_ptr exception = std::current_exception(); exception != nullptr) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& e) {
      text = e.what();
      what = text.c_str();
    } catch (...) {
    }
  }
  base::log_line("fatal error: goroutine %llu: exception escaped: %s: %s",
                 static_cast<unsigned long long>(g->goid.load()), status == 0 ? demangled : type, what);
  print_current_goroutine();
  std::abort();
}

}  // namespace

void stack_overflow(const G* g) {
  const auto size = static_cast<const char*>(g->stack.hi) - static_cast<const char*>(g->stack.lo);
  base::log_line("fatal error: goroutine %llu: stack overflow: its stack of %zu bytes is used up",
                 static_cast<unsigned long long>(g->goid.load()), static_cast<std::size_t>(size));
  base::log_line("hint: raise netpoll::Config::stack_size, or move large local variables to the heap");
  ::signal(SIGABRT, SIG_DFL);
  std::abort();
}

AlternateStack::AlternateStack() {
  const long address = base::sys(SYS_mmap, nullptr, kAlternateSize, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (address < 0 && address > -4096) return;
  memory_ = reinterpret_cast<void*>(address);
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
  base::sys(SYS_munmap, memory_, kAlternateSize);
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

void install_crash_reports() {
  static std::once_flag once;
  std::call_once(once, [] {
    base::set_fatal_hook(print_current_goroutine);
    old_terminate = std::set_terminate(on_terminate);
  });
}

}  // namespace netpoll::sched
