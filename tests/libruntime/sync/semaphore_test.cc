// Semaphores: permits in the order they were asked for.
#include "netpoll/sync/semaphore.h"

#include <array>
#include <memory>

#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"
#include "tests/support/death.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;
using test::until_parked;

TEST_CASE("no more goroutines are inside than there are permits") {
  int most = 0;
  std::int64_t left = 0;
  in_runtime([&](Runtime&) {
    Semaphore semaphore(3);
    std::atomic<int> inside{0};
    std::atomic<int> top{0};
    WaitGroup group;
    for (int i = 0; i < 20; ++i) {
      group.go([&, i] {
        for (int round = 0; round < 50; ++round) {
          if (!semaphore.acquire()) return;
          const int now = ++inside;
          for (int seen = top; now > seen && !top.compare_exchange_weak(seen, now);) {
          }
          if ((round + i) % 4 == 0) yield();
          --inside;
          semaphore.release();
        }
      });
    }
    group.wait();
    most = top;
    left = semaphore.available();
  });
  CHECK(most <= 3);
  CHECK(most >= 1);
  CHECK(left == 3);
}

TEST_CASE("permits are given in the order they were asked for, large requests included") {
  std::array<bool, 3> served_by_four{};
  std::array<bool, 3> served_by_six{};
  bool overtook = true;
  in_runtime([&](Runtime& runtime) {
    Semaphore semaphore(0);
    WaitGroup group;
    const std::array needs{1, 5, 1};
    std::array<std::atomic<bool>, 3> served{};
    const auto now_served = [&] { return std::array<bool, 3>{served[0], served[1], served[2]}; };
    for (int i = 0; i < 3; ++i) {
      group.go([&, i] { served[i] = semaphore.acquire(needs[i]).has_value(); });
      (void)until_parked(runtime, WaitReason::kSemaphore, i + 1);
    }
    // One for the first. Three are not enough for the second, and the third waits behind it.
    semaphore.release(4);
    (void)test::soon([&] { return served[0].load(); });
    served_by_four = now_served();
    overtook = semaphore.try_acquire();
    semaphore.release(2);
    (void)test::soon([&] { return served[1].load(); });
    served_by_six = now_served();
    semaphore.release(1);
    group.wait();
  });
  CHECK(served_by_four == std::array{true, false, false});
  CHECK_FALSE(overtook);
  CHECK(served_by_six == std::array{true, true, false});
}

TEST_CASE("a large request that times out lets the small ones behind it go") {
  bool timed_out = false;
  bool small_served = false;
  std::int64_t left = -1;
  in_runtime([&](Runtime& runtime) {
    Semaphore semaphore(2);
    WaitGroup group;
    group.go([&] {
      const auto got = semaphore.acquire_until(std::chrono::steady_clock::now() + 20ms, 5);
      timed_out = !got && got.error().is(ErrorKind::kTimeout);
    });
    (void)until_parked(runtime, WaitReason::kSemaphore);
    group.go([&] { small_served = semaphore.acquire(1).has_value(); });
    group.wait();
    left = semaphore.available();
  });
  CHECK(timed_out);
  CHECK(small_served);
  CHECK(left == 1);
}

TEST_CASE("permits survive requests that time out while they are granted") {
  std::int64_t left = 0;
  in_runtime([&](Runtime&) {
    Semaphore semaphore(2);
    WaitGroup group;
    for (int i = 0; i < 8; ++i) {
      group.go([&, i] {
        for (int round = 0; round < 100; ++round) {
          const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(10 * ((round + i) % 9));
          if (!semaphore.acquire_until(deadline, 1 + (round + i) % 2)) continue;
          if (round % 3 == 0) (void)sleep(20us);
          semaphore.release(1 + (round + i) % 2);
        }
      });
    }
    group.wait();
    left = semaphore.available();
  });
  CHECK(left == 2);
}

TEST_CASE("whoever acquired last may destroy the semaphore") {
  int rounds = 0;
  in_runtime([&](Runtime&) {
    for (; rounds < 2000; ++rounds) {
      auto semaphore = std::make_unique<Semaphore>(0);
      go([s = semaphore.get()] { s->release(); });
      (void)semaphore->acquire();
      semaphore.reset();
    }
  });
  CHECK(rounds == 2000);
}

TEST_CASE("shutdown with kCancel ends waiting requests") {
  bool ended = false;
  in_runtime(
      [&](Runtime& runtime) {
        go([&] {
          Semaphore semaphore(0);
          const auto got = semaphore.acquire();
          ended = !got && got.error().is(ErrorKind::kCanceled);
        });
        (void)until_parked(runtime, WaitReason::kSemaphore);
      },
      Runtime::Shutdown::kCancel);
  CHECK(ended);
}

TEST_CASE("every number of permits that an int64_t can hold is one") {
  constexpr std::int64_t kMost = INT64_MAX;
  for (const std::int64_t permits : {kMost, kMost - 1, kMost / 2 + 1, kMost / 2, std::int64_t{1}}) {
    CAPTURE(permits);
    std::int64_t made = -1;
    std::int64_t left = -1;
    std::int64_t given_back = -1;
    std::int64_t none = -1;
    bool acquired = false;
    bool waited = false;
    bool more = true;
    in_runtime([&](Runtime& runtime) {
      Semaphore semaphore(permits);
      made = semaphore.available();
      acquired = semaphore.acquire().has_value();
      left = semaphore.available();
      semaphore.release();
      given_back = semaphore.available();
      // All of them at once, by somebody who has to wait for the last one.
      (void)semaphore.try_acquire();
      WaitGroup group;
      group.go([&] { waited = semaphore.acquire(permits).has_value(); });
      (void)until_parked(runtime, WaitReason::kSemaphore);
      semaphore.release();
      group.wait();
      none = semaphore.available();
      more = semaphore.try_acquire(kMost);
      semaphore.release(permits);
    });
    CHECK(made == permits);
    CHECK(acquired);
    CHECK(left == permits - 1);
    CHECK(given_back == permits);
    CHECK(waited);
    CHECK(none == 0);
    CHECK_FALSE(more);
  }
}

TEST_CASE("more permits than an int64_t can hold, and fewer than none, are fatal") {
  NETPOLL_SKIP_WITHOUT_FORK();
  CHECK(test::dies([] { Semaphore(INT64_MAX).release(); }).message.find("given 1 more") != std::string::npos);
  CHECK(test::dies([] { Semaphore(-1).release(); }).message.find("Semaphore with -1 permits") != std::string::npos);
}

TEST_CASE("asking for no permits is fatal") {
  NETPOLL_SKIP_WITHOUT_FORK();
  CHECK(test::dies([] { Semaphore(1).release(0); }).message.find("asked for 0 permits") != std::string::npos);
}
