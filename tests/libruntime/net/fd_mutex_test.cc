// Who may read, write and close a descriptor at the same time, and who is woken.
#include "libruntime/net/fd_mutex.h"

#include <atomic>
#include <memory>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/net/support.h"

namespace netpoll {
namespace {

using net::FdMutex;
using Lock = net::FdMutex::Lock;
using test::Checks;

}  // namespace

TEST_CASE("a reader and a writer do not exclude each other") {
  test::in_default_setup([](Checks& checks) {
    FdMutex mutex;
    EXPECT_THAT(checks, mutex.lock(Lock::kRead));
    EXPECT_THAT(checks, mutex.lock(Lock::kWrite));
    EXPECT_THAT(checks, mutex.incref());
    EXPECT_THAT(checks, !mutex.decref());
    EXPECT_THAT(checks, !mutex.unlock(Lock::kWrite));
    EXPECT_THAT(checks, !mutex.unlock(Lock::kRead));
  });
}

TEST_CASE("a second reader parks until the first is done") {
  test::in_default_setup([](Checks& checks) {
    FdMutex mutex;
    std::atomic<bool> second_in{false};
    EXPECT_THAT(checks, mutex.lock(Lock::kRead));
    WaitGroup done;
    done.add(1);
    go([&] {
      EXPECT_THAT(checks, mutex.lock(Lock::kRead));
      second_in = true;
      mutex.unlock(Lock::kRead);
      done.done();
    });
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kFdMutex));
    EXPECT_THAT(checks, !second_in);
    mutex.unlock(Lock::kRead);
    done.wait();
    EXPECT_THAT(checks, second_in);
  });
}

TEST_CASE("waiters of many descriptors are woken in their order, each by its own") {
  constexpr std::size_t kMutexes = 100;  // more than there are queues
  constexpr int kWaiters = 3;
  std::vector<FdMutex> mutexes(kMutexes);
  std::vector<std::vector<int>> order(2 * kMutexes);
  Runtime runtime({.procs = test::procs()});
  runtime.run([&] {
    const auto which = [](std::size_t i) { return i < kMutexes ? FdMutex::Lock::kRead : FdMutex::Lock::kWrite; };
    for (std::size_t i = 0; i < order.size(); ++i) mutexes[i % kMutexes].lock(which(i));
    WaitGroup done;
    for (int w = 0; w < kWaiters; ++w) {
      for (std::size_t i = 0; i < order.size(); ++i) {
        done.add(1);
        go([&, i, w] {
          mutexes[i % kMutexes].lock(which(i));
          order[i].push_back(w);
          mutexes[i % kMutexes].unlock(which(i));
          done.done();
        });
      }
      // The next ones come when these wait.
      const auto waiting = [&] {
        std::size_t count = 0;
        for (const auto& g : runtime.snapshot().goroutines) {
          count += g.wait_reason == wait_reason_name(WaitReason::kFdMutex) ? 1u : 0u;
        }
        return count;
      };
      test::until([&] { return waiting() == (static_cast<std::size_t>(w) + 1) * order.size(); });
    }
    for (std::size_t i = order.size(); i-- > 0;) mutexes[i % kMutexes].unlock(which(i));
    done.wait();
  });
  for (const auto& seen : order) CHECK(seen == std::vector<int>{0, 1, 2});
}

TEST_CASE("each lock is held by one goroutine at a time") {
  test::in_default_setup([](Checks& checks) {
    constexpr int kGoroutines = 20;
    constexpr int kRounds = 500;
    FdMutex mutex;
    int under_lock[2] = {0, 0};  // each guarded by its lock
    WaitGroup done;
    done.add(kGoroutines);
    for (int i = 0; i < kGoroutines; ++i) {
      go([&, i] {
        const Lock which = i % 2 == 0 ? Lock::kRead : Lock::kWrite;
        for (int round = 0; round < kRounds; ++round) {
          if (!mutex.lock(which)) checks.fail("closed");
          const int value = under_lock[i % 2];
          if (round % 7 == 0) yield();
          under_lock[i % 2] = value + 1;
          mutex.unlock(which);
        }
        done.done();
      });
    }
    done.wait();
    EXPECT_EQUAL(checks, under_lock[0], kGoroutines / 2 * kRounds);
    EXPECT_EQUAL(checks, under_lock[1], kGoroutines / 2 * kRounds);
  });
}

TEST_CASE("close sends everybody home who waits for a lock") {
  test::in_default_setup([](Checks& checks) {
    constexpr int kWaiters = 10;
    FdMutex mutex;
    std::atomic<int> refused{0};
    EXPECT_THAT(checks, mutex.lock(Lock::kRead));
    EXPECT_THAT(checks, mutex.lock(Lock::kWrite));
    WaitGroup done;
    done.add(kWaiters);
    for (int i = 0; i < kWaiters; ++i) {
      go([&, i] {
        if (!mutex.lock(i % 2 == 0 ? Lock::kRead : Lock::kWrite)) ++refused;
        done.done();
      });
    }
    EXPECT_THAT(checks, test::parked_for(checks, WaitReason::kFdMutex, kWaiters));
    EXPECT_THAT(checks, mutex.incref_and_close());
    done.wait();
    EXPECT_EQUAL(checks, refused.load(), kWaiters);
    EXPECT_THAT(checks, !mutex.decref());
    EXPECT_THAT(checks, !mutex.unlock(Lock::kRead));
    EXPECT_THAT(checks, mutex.unlock(Lock::kWrite));
  });
}

TEST_CASE("after close nobody gets in and a second close is told so") {
  FdMutex mutex;
  CHECK_FALSE(mutex.closed());
  CHECK(mutex.incref_and_close());
  CHECK(mutex.closed());
  CHECK_FALSE(mutex.incref_and_close());
  CHECK_FALSE(mutex.incref());
  CHECK_FALSE(mutex.lock(Lock::kRead));
  CHECK_FALSE(mutex.lock(Lock::kWrite));
  CHECK(mutex.decref());
}

TEST_CASE("the destruction that came first is not waited for") {
  test::in_default_setup([](Checks& checks) {
    FdMutex mutex;
    mutex.notify_destroyed();
    mutex.wait_destroyed();
    static_cast<void>(checks);
  });
}

TEST_CASE("locks, references and one close race, and exactly one party destroys") {
  test::in_default_setup([](Checks& checks) {
    for (int round = 0; round < 200; ++round) {
      auto mutex = std::make_unique<FdMutex>();
      std::atomic<int> destroyers{0};
      WaitGroup done;
      constexpr int kUsers = 6;
      done.add(kUsers + 1);
      for (int i = 0; i < kUsers; ++i) {
        go([&, i] {
          for (;;) {
            bool last;
            if (i % 3 == 0) {
              if (!mutex->incref()) break;
              yield();
              last = mutex->decref();
            } else {
              const Lock which = i % 3 == 1 ? Lock::kRead : Lock::kWrite;
              if (!mutex->lock(which)) break;
              yield();
              last = mutex->unlock(which);
            }
            if (last) ++destroyers;
          }
          done.done();
        });
      }
      go([&] {
        for (int i = 0; i < 5; ++i) yield();
        if (!mutex->incref_and_close()) checks.fail("closed twice");
        if (mutex->decref()) ++destroyers;
        done.done();
      });
      done.wait();
      EXPECT_EQUAL(checks, destroyers.load(), 1);
    }
  });
}

}  // namespace netpoll
