// in_runtime.h: runs the body of a test as the main goroutine of a Runtime with NETPOLL_TEST_PROCS Ps.
//
// Goroutines must not use Catch2's assertions (they are for the test thread only): bodies collect, and the test
// compares after in_runtime() returned.
#pragma once

#include <chrono>
#include <utility>

#include "netpoll/runtime.h"
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

// Lets others run until holds() is true; false if it is not within 20 s.
template <typename F>
bool eventually(F&& holds) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int turn = 0; !holds(); ++turn) {
    if (std::chrono::steady_clock::now() > limit) return false;
    if (turn < 100) {
      yield();
    } else if (!sleep(std::chrono::microseconds(100))) {
      return holds();
    }
  }
  return true;
}

// Lets others run until n goroutines are parked for reason.
inline bool until_parked(const Runtime& runtime, WaitReason reason, std::size_t n = 1) {
  return eventually([&] {
    std::size_t parked = 0;
    for (const auto& goroutine : runtime.snapshot().goroutines) {
      parked += goroutine.status == GStatus::kWaiting && goroutine.wait_reason == reason;
    }
    return parked >= n;
  });
}

}  // namespace netpoll::test
