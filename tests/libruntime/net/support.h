// What the tests of net/ share: one body run under every poll mode and trigger, expectations that goroutines may state,
// and a leak check behind each run.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/config.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/listener.h"
#include "netpoll/runtime.h"
#include "tests/support/catch.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/procs.h"

namespace netpoll::test {

// Expectations of goroutines. Catch2's macros belong to the test thread, so failures are collected here and reported
// there. Thread-safe.
class Checks {
 public:
  explicit Checks(Runtime& runtime, const Config& config) : runtime_(runtime), config_(config) {}

  void fail(std::string text) {
    std::lock_guard lock(mutex_);
    failures_.push_back(std::move(text));
  }
  std::vector<std::string> failures() {
    std::lock_guard lock(mutex_);
    return failures_;
  }

  Runtime& runtime() { return runtime_; }
  const Config& config() const { return config_; }

 private:
  Runtime& runtime_;
  const Config& config_;
  std::mutex mutex_;
  std::vector<std::string> failures_;
};

// Runs body as the main goroutine once per poll mode and trigger, with NETPOLL_TEST_PROCS Ps. Fails the case for each
// unmet expectation, for goroutines that outlive body, and for descriptors and pollDescs that were not given back.
void in_every_setup(const std::function<void(Checks&)>& body);
// The same for one setup, the default.
void in_default_setup(const std::function<void(Checks&)>& body);
// The name of a setup: "hybrid/edge/2 procs".
std::string setup_name(const Config& config);

// Waits until condition() holds, for at most 20 s. Returns whether it does. For goroutines.
bool eventually(const std::function<bool()>& condition);
// Waits until a goroutine is parked in IO wait on fd; mode 0 read, 1 write.
bool parked_on(Checks& checks, int fd, int mode);
// Waits until count goroutines wait for reason.
bool parked_for(Checks& checks, WaitReason reason, std::size_t count = 1);

// A path for a Unix socket or file that no other test uses; the file does not exist.
std::string fresh_path(std::string_view name);

// A connected pair over loopback TCP: first dialled, second accepted.
std::pair<Conn, Conn> tcp_pair(Checks& checks);

inline std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
// Reads until the end of the stream, or an error (which is appended as "<message>").
std::string read_all(Conn& conn);
// One read of at most size bytes, as text; "<message>" for an error.
std::string read_some(Conn& conn, std::size_t size = 4096);
// What kind of error result holds, as text; "ok" for success.
template <typename T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : std::string(error_kind_name(result.error().kind()));
}

void expect_that(Checks& checks, bool ok, const char* expression, const char* file, int line);
template <typename A, typename B>
void expect_equal(Checks& checks, const A& actual, const B& wanted, const char* expression, const char* file,
                  int line) {
  if (actual == wanted) return;
  checks.fail(std::string(file) + ":" + std::to_string(line) + ": " + expression + " is " +
              Catch::Detail::stringify(actual) + ", not " + Catch::Detail::stringify(wanted) + " in " +
              setup_name(checks.config()));
}

}  // namespace netpoll::test

// For goroutines; execution goes on after a failure.
#define EXPECT_THAT(checks, expression) \
  ::netpoll::test::expect_that(checks, static_cast<bool>(expression), #expression, __FILE__, __LINE__)
#define EXPECT_EQUAL(checks, actual, wanted) \
  ::netpoll::test::expect_equal(checks, actual, wanted, #actual, __FILE__, __LINE__)
