// The exception handler that tells an overflow of a goroutine's stack from other faults.
//
// A vectored handler comes before all others and runs on the stack that overflowed, so the guard below a stack is made
// of two parts (context/stack_windows.cc): a page that raises once, and room behind it for the handler. What overflows
// is told by where the access went, or, where the system takes the guard for the growing end of a thread's stack, by
// the code that it then raises.
#include <windows.h>

#include <mutex>

#include "libruntime/sched/crash_report.h"
#include "libruntime/sched/scheduler.h"

namespace netpoll::sched {
namespace {

LONG CALLBACK on_exception(EXCEPTION_POINTERS* exception) {
  const EXCEPTION_RECORD& record = *exception->ExceptionRecord;
  const bool guard = record.ExceptionCode == STATUS_GUARD_PAGE_VIOLATION;
  const bool access = record.ExceptionCode == EXCEPTION_ACCESS_VIOLATION;
  const bool overflow = record.ExceptionCode == EXCEPTION_STACK_OVERFLOW;
  if (!guard && !access && !overflow) return EXCEPTION_CONTINUE_SEARCH;
  M* m = current_m();
  if (m == nullptr || m->curg == nullptr) return EXCEPTION_CONTINUE_SEARCH;
  if (overflow) stack_overflow(m->curg);
  if (record.NumberParameters < 2) return EXCEPTION_CONTINUE_SEARCH;
  const auto* address = reinterpret_cast<const void*>(record.ExceptionInformation[1]);
  if (const G* g = m->scheduler->gs().find_by_guard_address(address)) stack_overflow(g);
  return EXCEPTION_CONTINUE_SEARCH;
}

}  // namespace

// Exceptions are raised on the stack of who makes them; there is no other one to give.
AlternateStack::AlternateStack() = default;
AlternateStack::~AlternateStack() = default;

void install_overflow_handler() {
  static std::once_flag once;
  std::call_once(once, [] { AddVectoredExceptionHandler(1, on_exception); });
}

}  // namespace netpoll::sched
