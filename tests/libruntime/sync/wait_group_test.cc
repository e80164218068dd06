// Waiting for groups of goroutines.
#include "netpoll/sync/wait_group.h"

#include <memory>
#include <thread>

#include "tests/libruntime/sync/in_runtime.h"
#include "tests/support/death.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;
using test::until_parked;

TEST_CASE("wait returns when every goroutine is done, and sees what they did") {
  std::vector<int> results(50, 0);
  in_runtime([&](Runtime&) {
    WaitGroup group;
    for (int i = 0; i < 50; ++i) {
      group.go([&results, i] {
        if (i % 3 == 0) yield();
        results[i] = i + 1;
      });
    }
    group.wait();
    for (int& result : results) result = -result;
  });
  for (int i = 0; i < 50; ++i) CHECK(results[i] == -(i + 1));
}

TEST_CASE("wait with nothing to wait for returns at once") {
  bool returned = false;
  in_runtime([&](Runtime&) {
    WaitGroup group;
    group.wait();
    group.add(2);
    group.add(-2);
    group.wait();
    returned = true;
  });
  CHECK(returned);
}

TEST_CASE("several goroutines may wait for the same group, and it may be used again") {
  int released = 0;
  in_runtime([&](Runtime& runtime) {
    std::atomic<int> count{0};
    WaitGroup group;
    for (int round = 0; round < 50; ++round) {
      group.add(1);
      WaitGroup waiters;
      for (int i = 0; i < 4; ++i) {
        waiters.go([&] {
          group.wait();
          ++count;
        });
      }
      if (round < 3) (void)until_parked(runtime, WaitReason::kWaitGroup, 4);
      group.done();
      waiters.wait();
    }
    released = count;
  });
  CHECK(released == 200);
}

TEST_CASE("a group may be destroyed as soon as wait returned") {
  int rounds = 0;
  in_runtime([&](Runtime&) {
    for (; rounds < 3000; ++rounds) {
      auto group = std::make_unique<WaitGroup>(2);
      // They use the group after the last statement that holds it up, if anything does.
      go([g = group.get()] { g->done(); });
      go([g = group.get()] { g->done(); });
      group->wait();
      group.reset();
    }
  });
  CHECK(rounds == 3000);
}

TEST_CASE("a thread outside of the runtime may say done") {
  bool returned = false;
  Runtime runtime({.procs = test::procs()});
  runtime.run([&] {
    WaitGroup group(1);
    std::thread outside([&] { group.done(); });
    group.wait();
    block_on([&] { outside.join(); });
    returned = true;
  });
  CHECK(returned);
}

TEST_CASE("shutdown with kCancel does not end the wait for goroutines that use the waiter's stack") {
  int seen = 0;
  in_runtime(
      [&](Runtime& runtime) {
        go([&] {
          int local = 0;
          WaitGroup group;
          group.go([&] {
            (void)sleep(1h);
            yield();
            local = 5;
          });
          group.wait();
          seen = local;
        });
        (void)until_parked(runtime, WaitReason::kWaitGroup);
        (void)until_parked(runtime, WaitReason::kSleep);
      },
      Runtime::Shutdown::kCancel);
  CHECK(seen == 5);
}

TEST_CASE("a count below zero is fatal") {
  NETPOLL_SKIP_WITHOUT_FORK();
  const auto death = test::dies([] {
    WaitGroup group(1);
    group.add(-2);
  });
  CHECK(death.aborted);
  CHECK(death.message.find("WaitGroup below zero") != std::string::npos);
}
