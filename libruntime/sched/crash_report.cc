// The reports of all ends: stack overflow, broken invariant, escaping exception.
#include "libruntime/sched/crash_report.h"

#include <cxxabi.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <typeinfo>

#include "libruntime/base/fatal.h"
#include "libruntime/base/system.h"
#include "libruntime/sched/scheduler.h"

namespace netpoll::sched {
namespace {

std::terminate_handler old_terminate;

void print_current_goroutine() {
  G* g = current_g();
  if (g == nullptr) return;
  base::log_line("goroutine %llu [running] on runtime \"%s\", created by goroutine %llu at %p, last fd %d",
                 static_cast<unsigned long long>(g->goid.load()), g->scheduler->config().name.c_str(),
                 static_cast<unsigned long long>(g->parent_goid.load()), reinterpret_cast<void*>(g->created_pc.load()),
                 g->wait_fd.load());
  base::print_stack();
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

void install_crash_reports() {
  static std::once_flag once;
  std::call_once(once, [] {
    base::set_fatal_hook(print_current_goroutine);
    old_terminate = std::set_terminate(on_terminate);
  });
}

}  // namespace netpoll::sched
