// Calls that happen once.
#include "netpoll/sync/once.h"

#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;

TEST_CASE("the first call runs, the others wait until it is done") {
  int runs = 0;
  int saw_result = 0;
  bool done_before = true;
  bool done_after = false;
  in_runtime([&](Runtime&) {
    Once once;
    done_before = once.done();
    int result = 0;
    std::atomic<int> seen{0};
    WaitGroup group;
    for (int i = 0; i < 20; ++i) {
      group.go([&] {
        once.call([&] {
          ++runs;
          (void)sleep(2ms);
          result = 11;
        });
        seen += result == 11;
      });
    }
    group.wait();
    saw_result = seen;
    done_after = once.done();
  });
  CHECK(runs == 1);
  CHECK(saw_result == 20);
  CHECK_FALSE(done_before);
  CHECK(done_after);
}

TEST_CASE("a call that throws counts as done") {
  int runs = 0;
  bool thrown = false;
  in_runtime([&](Runtime&) {
    Once once;
    try {
      once.call([&] {
        ++runs;
        throw 1;
      });
    } catch (int) {
      thrown = true;
    }
    once.call([&] { ++runs; });
  });
  CHECK(thrown);
  CHECK(runs == 1);
}
