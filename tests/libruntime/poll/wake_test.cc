// Wakes, which end a blocked poll on every back end of both families. tests/model/wake.pml shows the same for every
// interleaving.
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "libruntime/poll/poller.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/skip.h"

namespace netpoll::poll {
namespace {

constexpr std::int64_t kLong = 20'000'000'000;  // ns; nothing here waits so long unless it fails

void for_each(const std::function<void(Poller&)>& body) {
  for (const PollerKind kind : back_ends()) {
    INFO(poller_name(kind));
    const auto poller = make_poller(kind, Trigger::kEdge);
    REQUIRE(poller != nullptr);
    if (const int result = poller->init(); result != 0) {
      REQUIRE(poller->completion() != nullptr);
      test::note_skip(std::string(poller_name(kind)) + " is not to be had here");
      continue;
    }
    body(*poller);
  }
}

// There is nothing but wakes to report.
void poll(Poller& poller, std::int64_t delay_ns) {
  Readiness event;
  test::must(poller.poll(delay_ns, &event, 1) == 0);
}

}  // namespace

TEST_CASE("a wake ends a blocked poll, merged with those before it; a look leaves it there") {
  for_each([](Poller& poller) {
    poller.wake();
    poller.wake();
    for (int i = 0; i < 3; ++i) poll(poller, 0);
    poll(poller, -1);  // returns at all
    // Taken: a poll with a short limit waits for the whole of it, and a later wake counts anew.
    poll(poller, 1'000'000);
    poller.wake();
    poll(poller, kLong);
  });
}

TEST_CASE("every one of many wakes from other threads ends the poll that follows it") {
  for_each([](Poller& poller) {
    std::atomic<int> returned{0};
    constexpr int kRounds = 500;
    std::thread waiter([&] {
      for (int i = 0; i < kRounds; ++i) {
        poll(poller, -1);
        returned.fetch_add(1);
      }
    });
    std::thread looker([&] {
      while (returned.load() < kRounds) poll(poller, 0);
    });
    while (returned.load() < kRounds) poller.wake();
    waiter.join();
    looker.join();
    CHECK(returned.load() == kRounds);
  });
}

TEST_CASE("a wake ends the poll that begins at that moment, whoever else looks") {
  for_each([](Poller& poller) {
    constexpr int kRounds = 2000;
    std::atomic<int> returned{0};
    std::thread waiter([&] {
      for (int i = 0; i < kRounds; ++i) {
        poll(poller, -1);
        returned.fetch_add(1);
      }
    });
    std::thread looker([&] {
      while (returned.load() < kRounds) {
        poll(poller, 0);
        std::this_thread::yield();
      }
    });
    for (int i = 0; i < kRounds; ++i) {
      poller.wake();
      const auto let_others = [] {
        std::this_thread::yield();
        return true;
      };
      test::must(test::eventually([&] { return returned.load() > i; }, let_others));
    }
    waiter.join();
    looker.join();
  });
}

}  // namespace netpoll::poll
