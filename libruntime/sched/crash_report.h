// crash_report.h: names the goroutine that ends the process: by an overflow of its stack, a broken invariant, or an
// escaping exception.
#pragma once

namespace netpoll::sched {

struct G;

// Reports that g ran over the end of its stack ("goroutine 17: stack overflow") and aborts. Async-signal-safe.
[[noreturn]] void stack_overflow(const G* g);

// AlternateStack gives the calling thread a signal stack for as long as it lives: a goroutine that ran out of stack
// cannot handle the fault on it.
class AlternateStack {
 public:
  AlternateStack();
  ~AlternateStack();
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;

 private:
  void* memory_ = nullptr;
};

// Installs, once per process, handlers for SIGSEGV and SIGBUS that end in stack_overflow() for a fault in a goroutine's
// guard; any other fault goes to the handler that was there before.
void install_overflow_handler();

// Installs, once per process, what names the goroutine when fatal() or std::terminate (an escaping exception) ends the
// process.
void install_crash_reports();

}  // namespace netpoll::sched
