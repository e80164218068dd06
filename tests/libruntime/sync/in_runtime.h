// in_runtime.h: runs the body of a test as the main goroutine of a Runtime with NETPOLL_TEST_PROCS Ps.
//
// Goroutines must not use Catch2's assertions (they are for the test thread only): bodies collect, and the test
// compares after in_runtime() returned.
#pragma once

#include <utility>

#include "netpoll/runtime.h"
#include "netpoll/wait_reason.h"
#include "tests/libruntime/goroutines.h"
#include "tests/support/catch.h"
#include "tests/support/procs.h"

namespace netpoll::test {

// Calls body(runtime) and waits for all goroutines, or cancels them. Afterwards none may be left.
template <typename F>
void in_runtime(F&& body, Runtime::Shutdown how = Runtime::Shutdown::kWait) {
  Runtime runtime({.procs = procs()});
  runtime.run([&] { body(runtime); }, how);
  CHECK(runtime.snapshot().goroutines.empty());
}

// Lets others run until n goroutines are parked for reason.
inline bool until_parked(const Runtime& runtime, WaitReason reason, std::size_t n = 1) {
  return soon([&] {
    std::size_t parked = 0;
    for (const auto& goroutine : runtime.snapshot().goroutines) {
      parked += goroutine.wait_reason == wait_reason_name(reason);
    }
    return parked >= n;
  });
}

}  // namespace netpoll::test
