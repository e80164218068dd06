// Expectations that goroutines and threads may state. Catch2's macros belong to the test thread.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.h"

namespace netpoll::test {

// Collects the failures of many threads. The test thread reports them when no other is left.
class Expectations {
 public:
  void fail(std::string text) {
    const std::lock_guard lock(mutex_);
    failures_.push_back(std::move(text));
  }
  std::vector<std::string> failures() {
    const std::lock_guard lock(mutex_);
    return failures_;
  }
  // Fails the case for each. For the test thread.
  void report() {
    for (const std::string& failure : failures()) FAIL_CHECK(failure);
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> failures_;
};

inline void expect_that(Expectations& expectations, bool ok, const char* expression, const char* file, int line) {
  if (!ok) expectations.fail(std::string(file) + ":" + std::to_string(line) + ": not true: " + expression);
}
template <typename A, typename B>
void expect_equal(Expectations& expectations, const A& actual, const B& wanted, const char* expression,
                  const char* file, int line) {
  if (actual == wanted) return;
  expectations.fail(std::string(file) + ":" + std::to_string(line) + ": " + expression + " is " +
                    Catch::Detail::stringify(actual) + ", not " + Catch::Detail::stringify(wanted));
}

}  // namespace netpoll::test

// Execution goes on after a failure.
#define EXPECT_THAT(expectations, expression) \
  ::netpoll::test::expect_that(expectations, static_cast<bool>(expression), #expression, __FILE__, __LINE__)
#define EXPECT_EQUAL(expectations, actual, wanted) \
  ::netpoll::test::expect_equal(expectations, actual, wanted, #actual, __FILE__, __LINE__)
