// Mutexes: exclusion, fairness, and the life of one after its last unlock.
#include "netpoll/sync/mutex.h"

#include <array>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "libruntime/runtime_access.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/rwmutex.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"
#include "tests/support/death.h"
#include "tests/support/skip.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;
using test::until_parked;

TEST_CASE("a mutex lets one goroutine in at a time, also across parks and yields") {
  constexpr int kGoroutines = 16;
  constexpr int kRounds = 500;
  int inside = 0;
  int overlaps = 0;
  int total = 0;
  in_runtime([&](Runtime&) {
    Mutex mutex;
    WaitGroup group;
    for (int i = 0; i < kGoroutines; ++i) {
      group.go([&, i] {
        for (int round = 0; round < kRounds; ++round) {
          const std::lock_guard hold(mutex);
          overlaps += inside++ != 0;
          if ((round + i) % 7 == 0) yield();
          if ((round + i) % 101 == 0) (void)sleep(10us);
          ++total;
          --inside;
        }
      });
    }
    group.wait();
  });
  CHECK(overlaps == 0);
  CHECK(total == kGoroutines * kRounds);
}

TEST_CASE("try_lock takes a free mutex and leaves a held one") {
  bool free = false;
  bool held = true;
  bool again = false;
  in_runtime([&](Runtime&) {
    Mutex mutex;
    free = mutex.try_lock();
    held = mutex.try_lock();
    mutex.unlock();
    again = mutex.try_lock();
    mutex.unlock();
  });
  CHECK(free);
  CHECK_FALSE(held);
  CHECK(again);
}

TEST_CASE("a mutex may be unlocked by another goroutine") {
  bool entered = false;
  in_runtime([&](Runtime& runtime) {
    Mutex mutex;
    mutex.lock();
    WaitGroup group;
    group.go([&] {
      const std::lock_guard hold(mutex);
      entered = true;
    });
    (void)until_parked(runtime, WaitReason::kMutex);
    group.go([&] { mutex.unlock(); });
    group.wait();
  });
  CHECK(entered);
}

TEST_CASE("a goroutine that takes the mutex again and again cannot keep a waiter out") {
  // The hog always runs when it unlocks, so without hand-over it would always win the race for the mutex.
  int turns_of_hog = 0;
  bool entered = false;
  in_runtime([&](Runtime&) {
    Mutex mutex;
    WaitGroup group;
    mutex.lock();
    group.go([&] {
      const std::lock_guard hold(mutex);
      entered = true;
    });
    for (; !entered && turns_of_hog < 1000; ++turns_of_hog) {
      (void)sleep(2ms);
      mutex.unlock();
      mutex.lock();
    }
    mutex.unlock();
    group.wait();
  });
  CHECK(entered);
  // One turn until the waiter is woken in vain, one until it has claimed the mutex; the rest is reserve.
  CHECK(turns_of_hog < 20);
}

TEST_CASE("a woken waiter has an idle P, though whoever unlocked keeps its own") {
  if (test::procs() < 2) NETPOLL_SKIP("one P: nobody could run beside whoever unlocks");
  // Whoever gets in keeps its P until this is looked at, so the count cannot go back up meanwhile.
  std::uint32_t idle_before = 0;
  std::array<std::uint32_t, 3> idle_after{};
  in_runtime([&](Runtime& runtime) {
    Mutex mutex;
    RwMutex rw_mutex;
    const std::uint32_t others = static_cast<std::uint32_t>(runtime.config().procs) - 1;
    std::size_t at = 0;
    const auto observe = [&](WaitReason reason, auto lock_for_us, auto unlock, auto pass) {
      std::atomic<bool> looked{false};
      WaitGroup group;
      lock_for_us();
      group.go([&] {
        pass([&] {
          while (!looked) {
          }
        });
      });
      (void)until_parked(runtime, reason);
      while (detail::RuntimeAccess::scheduler(runtime).idle_ps() != others) {
      }
      unlock();
      // This goroutine keeps its P busy. An M that was woken may come a moment before what it is to find, and again.
      const auto deadline = std::chrono::steady_clock::now() + 10s;
      while (detail::RuntimeAccess::scheduler(runtime).idle_ps() == others &&
             std::chrono::steady_clock::now() < deadline) {
      }
      idle_after.at(at++) = detail::RuntimeAccess::scheduler(runtime).idle_ps();
      looked = true;
      group.wait();
    };
    idle_before = others;
    const auto write = [&](auto inside) {
      const std::lock_guard hold(rw_mutex);
      inside();
    };
    const auto read = [&](auto inside) {
      const std::shared_lock hold(rw_mutex);
      inside();
    };
    const auto lock = [&](auto inside) {
      const std::lock_guard hold(mutex);
      inside();
    };
    observe(
        WaitReason::kMutex, [&] { mutex.lock(); }, [&] { mutex.unlock(); }, lock);
    observe(
        WaitReason::kRwMutexRead, [&] { rw_mutex.lock(); }, [&] { rw_mutex.unlock(); }, read);
    observe(
        WaitReason::kRwMutexWrite, [&] { rw_mutex.lock_shared(); }, [&] { rw_mutex.unlock_shared(); }, write);
  });
  for (const std::uint32_t idle : idle_after) CHECK(idle < idle_before);
}

TEST_CASE("waiters of a starving mutex are served in order and leave it usable") {
  std::vector<int> order;
  in_runtime([&](Runtime& runtime) {
    Mutex mutex;
    WaitGroup group;
    mutex.lock();
    for (int i = 0; i < 6; ++i) {
      group.go([&, i] {
        const std::lock_guard hold(mutex);
        order.push_back(i);
        (void)sleep(2ms);
      });
      (void)until_parked(runtime, WaitReason::kMutex, i + 1);
    }
    (void)sleep(2ms);
    mutex.unlock();
    group.wait();
    for (int i = 0; i < 100; ++i) const std::lock_guard hold(mutex);
  });
  CHECK(order == std::vector{0, 1, 2, 3, 4, 5});
}

TEST_CASE("whoever locks last may destroy the mutex right after unlocking it") {
  constexpr int kRounds = 2000;
  int destroyed = 0;
  in_runtime([&](Runtime&) {
    struct Shared {
      Mutex mutex;
      int users = 3;
    };
    WaitGroup group;
    for (int round = 0; round < kRounds; ++round) {
      auto* const shared = new Shared;
      for (int i = 0; i < 3; ++i) {
        group.go([&, shared] {
          shared->mutex.lock();
          if (shared->users == 2) yield();
          const bool last = --shared->users == 0;
          shared->mutex.unlock();
          if (!last) return;
          delete shared;
          ++destroyed;
        });
      }
      group.wait();
    }
  });
  CHECK(destroyed == kRounds);
}

TEST_CASE("shutdown with kCancel lets mutex waiters wait for a holder that is cancelled") {
  bool holder_canceled = false;
  bool waiter_entered = false;
  in_runtime(
      [&](Runtime& runtime) {
        auto mutex = std::make_shared<Mutex>();
        go([&, mutex] {
          const std::lock_guard hold(*mutex);
          holder_canceled = !sleep(1h);
        });
        (void)until_parked(runtime, WaitReason::kSleep);
        go([&, mutex] {
          const std::lock_guard hold(*mutex);
          waiter_entered = true;
        });
        (void)until_parked(runtime, WaitReason::kMutex);
      },
      Runtime::Shutdown::kCancel);
  CHECK(holder_canceled);
  CHECK(waiter_entered);
}

TEST_CASE("unlocking a mutex that is not locked is fatal") {
  NETPOLL_SKIP_WITHOUT_FORK();
  const auto death = test::dies([] {
    Mutex mutex;
    mutex.unlock();
  });
  CHECK(death.aborted);
  CHECK(death.message.find("unlock of unlocked Mutex") != std::string::npos);
}
