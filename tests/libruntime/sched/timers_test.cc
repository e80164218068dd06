// The heap of timers of a P.
#include "libruntime/sched/timers.h"

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "tests/support/catch.h"

namespace netpoll::sched {
namespace {

struct Fired {
  std::vector<std::uint64_t> order;
};

void record(void* arg, std::uint64_t seq) { static_cast<Fired*>(arg)->order.push_back(seq); }

TEST_CASE("timers fire in the order of their times and not before") {
  TimerHeap heap;
  Fired fired;
  std::mt19937 random(42);
  std::vector<std::unique_ptr<HeapTimer>> timers;
  std::vector<std::uint64_t> expected;
  for (int i = 0; i < 500; ++i) {
    auto timer = std::make_unique<HeapTimer>();
    timer->when = static_cast<std::int64_t>(random() % 100'000) + 1;
    timer->callback = record;
    timer->arg = &fired;
    timer->seq = static_cast<std::uint64_t>(timer->when);
    expected.push_back(timer->seq);
    heap.add(*timer);
    timers.push_back(std::move(timer));
  }
  std::sort(expected.begin(), expected.end());
  CHECK(heap.earliest() == static_cast<std::int64_t>(expected.front()));
  CHECK(heap.run(0) == 0);
  heap.run(50'000);
  CHECK(std::all_of(fired.order.begin(), fired.order.end(), [](auto when) { return when <= 50'000; }));
  heap.run(kNoTimer - 1);
  CHECK(fired.order == expected);
  CHECK(heap.earliest() == kNoTimer);
}

TEST_CASE("a removed timer does not fire, wherever in the heap it was") {
  TimerHeap heap;
  Fired fired;
  std::vector<std::unique_ptr<HeapTimer>> timers;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    auto timer = std::make_unique<HeapTimer>();
    timer->when = static_cast<std::int64_t>(i * 7919 % 101);
    timer->callback = record;
    timer->arg = &fired;
    timer->seq = i;
    heap.add(*timer);
    timers.push_back(std::move(timer));
  }
  for (std::size_t i = 0; i < 100; i += 2) CHECK(heap.remove(*timers[i]));
  CHECK_FALSE(heap.remove(*timers[0]));
  CHECK(heap.run(1000) == 50);
  for (auto seq : fired.order) CHECK(seq % 2 == 0);
  CHECK_FALSE(stop_timer(*timers[1]));  // fired already
}

TEST_CASE("add tells whether the timer became the earliest") {
  TimerHeap heap;
  HeapTimer late, early, between;
  late.when = 30;
  early.when = 10;
  between.when = 20;
  CHECK(heap.add(late));
  CHECK(heap.add(early));
  CHECK_FALSE(heap.add(between));
  CHECK(stop_timer(early));
  CHECK(heap.earliest() == 20);
}

}  // namespace
}  // namespace netpoll::sched
