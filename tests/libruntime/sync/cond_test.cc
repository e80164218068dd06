// Condition variables: no notification is lost or used twice.
#include "netpoll/sync/cond.h"

#include <deque>
#include <mutex>

#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;
using test::until_parked;

TEST_CASE("no notification is lost between a look at the condition and the wait") {
  constexpr int kItems = 3000;
  std::int64_t sum = 0;
  in_runtime([&](Runtime&) {
    Mutex mutex;
    Cond changed;
    std::deque<int> items;
    bool closed = false;
    WaitGroup group;
    std::atomic<std::int64_t> consumed{0};
    for (int i = 0; i < 3; ++i) {
      group.go([&] {
        for (;;) {
          const std::lock_guard hold(mutex);
          if (!changed.wait(mutex, [&] { return !items.empty() || closed; })) return;
          if (items.empty()) return;
          consumed += items.front();
          items.pop_front();
        }
      });
    }
    for (int i = 1; i <= kItems; ++i) {
      {
        const std::lock_guard hold(mutex);
        items.push_back(i);
      }
      changed.notify_one();
      if (i % 50 == 0) yield();
    }
    {
      const std::lock_guard hold(mutex);
      closed = true;
    }
    changed.notify_all();
    group.wait();
    sum = consumed;
  });
  CHECK(sum == std::int64_t{kItems} * (kItems + 1) / 2);
}

TEST_CASE("notify_one wakes the goroutine that waits longest, notify_all the rest") {
  std::vector<int> order;
  std::size_t after_one = 0;
  in_runtime([&](Runtime& runtime) {
    Mutex mutex;
    Cond cond;
    WaitGroup group;
    for (int i = 0; i < 4; ++i) {
      group.go([&, i] {
        const std::lock_guard hold(mutex);
        if (cond.wait(mutex)) order.push_back(i);
      });
      (void)until_parked(runtime, WaitReason::kCond, i + 1);
    }
    cond.notify_one();
    (void)test::soon([&] {
      const std::lock_guard hold(mutex);
      return !order.empty();
    });
    {
      const std::lock_guard hold(mutex);
      after_one = order.size();
    }
    cond.notify_all();
    group.wait();
  });
  CHECK(after_one == 1);
  REQUIRE(order.size() == 4);
  CHECK(order[0] == 0);
}

TEST_CASE("a goroutine that timed out holds the mutex and did not use up a notification") {
  bool timed_out = false;
  bool locked_after = false;
  bool other_notified = false;
  in_runtime([&](Runtime& runtime) {
    Mutex mutex;
    Cond cond;
    WaitGroup group;
    group.go([&] {
      mutex.lock();
      const auto waited = cond.wait_until(mutex, std::chrono::steady_clock::now() + 2ms);
      timed_out = !waited && waited.error().is(ErrorKind::kTimeout);
      locked_after = !mutex.try_lock();
      mutex.unlock();
    });
    group.wait();
    group.go([&] {
      const std::lock_guard hold(mutex);
      other_notified = cond.wait(mutex).has_value();
    });
    (void)until_parked(runtime, WaitReason::kCond);
    cond.notify_one();
    group.wait();
  });
  CHECK(timed_out);
  CHECK(locked_after);
  CHECK(other_notified);
}

TEST_CASE("a condition that became true at the deadline is no timeout") {
  bool ok = false;
  in_runtime([&](Runtime&) {
    Mutex mutex;
    Cond cond;
    const std::lock_guard hold(mutex);
    int looks = 0;
    ok = cond.wait_until(mutex, std::chrono::steady_clock::now() + 1ms, [&] { return ++looks > 1; }).has_value();
  });
  CHECK(ok);
}

TEST_CASE("shutdown with kCancel ends the wait with the mutex held") {
  bool ended = false;
  bool locked = false;
  in_runtime(
      [&](Runtime& runtime) {
        go([&] {
          Mutex mutex;
          Cond cond;
          mutex.lock();
          const auto waited = cond.wait(mutex, [] { return false; });
          ended = !waited && waited.error().is(ErrorKind::kCanceled);
          locked = !mutex.try_lock();
          mutex.unlock();
        });
        (void)until_parked(runtime, WaitReason::kCond);
      },
      Runtime::Shutdown::kCancel);
  CHECK(ended);
  CHECK(locked);
}
