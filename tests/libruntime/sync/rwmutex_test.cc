// Read-write mutexes: who is inside together, and who goes first.
#include "netpoll/sync/rwmutex.h"

#include <mutex>
#include <shared_mutex>
#include <string>

#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"
#include "tests/support/death.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;
using test::soon;
using test::until_parked;

TEST_CASE("readers are inside together") {
  int most = 0;
  in_runtime([&](Runtime&) {
    RwMutex mutex;
    std::atomic<int> inside{0};
    WaitGroup group;
    for (int i = 0; i < 5; ++i) {
      group.go([&] {
        const std::shared_lock hold(mutex);
        ++inside;
        // Can only be reached when all five are inside at once.
        (void)soon([&] { return inside == 5; });
      });
    }
    group.wait();
    most = inside;
  });
  CHECK(most == 5);
}

TEST_CASE("a writer is alone") {
  int overlaps = 0;
  int writes = 0;
  in_runtime([&](Runtime&) {
    RwMutex mutex;
    int first = 0;
    int second = 0;
    WaitGroup group;
    std::atomic<int> torn{0};
    for (int i = 0; i < 6; ++i) {
      group.go([&, i] {
        for (int round = 0; round < 400; ++round) {
          if ((round + i) % 5 == 0) {
            const std::unique_lock hold(mutex);
            ++first;
            if (round % 3 == 0) yield();
            ++second;
            ++writes;
          } else {
            const std::shared_lock hold(mutex);
            const int before = first;
            if (round % 11 == 0) yield();
            torn += before != second;
          }
        }
      });
    }
    group.wait();
    overlaps = torn;
  });
  CHECK(overlaps == 0);
  CHECK(writes == 6 * 80);
}

TEST_CASE("a waiting writer holds new readers back, and they go before the next writer") {
  std::string order;
  in_runtime([&](Runtime& runtime) {
    RwMutex mutex;
    WaitGroup group;
    mutex.lock_shared();
    group.go([&] {
      const std::unique_lock hold(mutex);
      order += 'W';
    });
    (void)until_parked(runtime, WaitReason::kRwMutexWrite);
    group.go([&] {
      const std::shared_lock hold(mutex);
      order += 'r';
    });
    (void)until_parked(runtime, WaitReason::kRwMutexRead);
    // The second writer queues behind the first.
    group.go([&] {
      const std::unique_lock hold(mutex);
      order += 'X';
    });
    (void)until_parked(runtime, WaitReason::kMutex);
    order += '0';
    mutex.unlock_shared();
    group.wait();
  });
  CHECK(order == "0WrX");
}

TEST_CASE("try_lock and try_lock_shared do not wait") {
  bool write = false;
  bool read_in_write = true;
  bool write_in_write = true;
  bool read = false;
  bool second_read = false;
  bool write_in_read = true;
  bool write_at_end = false;
  in_runtime([&](Runtime&) {
    RwMutex mutex;
    write = mutex.try_lock();
    read_in_write = mutex.try_lock_shared();
    write_in_write = mutex.try_lock();
    mutex.unlock();
    read = mutex.try_lock_shared();
    second_read = mutex.try_lock_shared();
    write_in_read = mutex.try_lock();
    mutex.unlock_shared();
    mutex.unlock_shared();
    write_at_end = mutex.try_lock();
    mutex.unlock();
  });
  CHECK(write);
  CHECK_FALSE(read_in_write);
  CHECK_FALSE(write_in_write);
  CHECK(read);
  CHECK(second_read);
  CHECK_FALSE(write_in_read);
  CHECK(write_at_end);
}

TEST_CASE("unlocking a read-write mutex that is not locked is fatal") {
  NETPOLL_SKIP_WITHOUT_FORK();
  CHECK(test::dies([] {
          RwMutex mutex;
          mutex.unlock_shared();
        }).message.find("unlock_shared of unlocked RwMutex") != std::string::npos);
  CHECK(test::dies([] {
          RwMutex mutex;
          mutex.unlock();
        }).message.find("unlock of unlocked RwMutex") != std::string::npos);
}
