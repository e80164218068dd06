// The run queue of a P, with and without thieves.
#include "libruntime/sched/runq.h"

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

namespace netpoll::sched {
namespace {

std::vector<std::unique_ptr<G>> make_gs(std::size_t count) {
  std::vector<std::unique_ptr<G>> gs;
  for (std::size_t i = 0; i < count; ++i) gs.push_back(std::make_unique<G>());
  return gs;
}

TEST_CASE("a run queue is first in, first out, and runnext goes before it") {
  auto gs = make_gs(3);
  RunQueue queue;
  CHECK(queue.put(gs[0].get()));
  CHECK(queue.put(gs[1].get()));
  CHECK(queue.exchange_next(gs[2].get()) == nullptr);
  CHECK(queue.size() == 3);
  CHECK(queue.get_next() == gs[2].get());
  CHECK(queue.get() == gs[0].get());
  CHECK(queue.get() == gs[1].get());
  CHECK(queue.get() == nullptr);
  CHECK(queue.empty());
}

TEST_CASE("a full ring refuses, gives half away, and takes again") {
  auto gs = make_gs(RunQueue::kCapacity + 1);
  RunQueue queue;
  for (std::uint32_t i = 0; i < RunQueue::kCapacity; ++i) REQUIRE(queue.put(gs[i].get()));
  CHECK_FALSE(queue.put(gs.back().get()));
  GList half;
  REQUIRE(queue.take_half(half));
  CHECK(half.size == RunQueue::kCapacity / 2);
  CHECK(half.head == gs[0].get());
  CHECK(queue.put(gs.back().get()));
}

TEST_CASE("a thief takes half, rounded up, and leaves runnext until it may take it") {
  auto gs = make_gs(4);
  RunQueue victim, thief;
  for (int i = 0; i < 3; ++i) victim.put(gs[static_cast<std::size_t>(i)].get());
  victim.exchange_next(gs[3].get());
  CHECK(thief.steal_from(victim, false) == gs[1].get());
  CHECK(thief.get() == gs[0].get());
  CHECK(thief.steal_from(victim, false) == gs[2].get());
  CHECK(thief.steal_from(victim, false) == nullptr);
  CHECK(thief.steal_from(victim, true) == gs[3].get());
  CHECK(victim.empty());
}

TEST_CASE("with thieves at work every goroutine is taken exactly once") {
  constexpr std::size_t kGs = 20'000;
  auto gs = make_gs(kGs);
  RunQueue owner;
  std::atomic<bool> done{false};
  std::vector<std::vector<G*>> taken(3);
  std::vector<std::thread> thieves;
  for (std::size_t t = 0; t < 2; ++t) {
    thieves.emplace_back([&, t] {
      RunQueue mine;
      for (;;) {
        const bool last = done.load();
        if (G* g = mine.steal_from(owner, true)) {
          taken[t].push_back(g);
          while (G* more = mine.get()) taken[t].push_back(more);
        } else if (last) {
          return;
        }
      }
    });
  }
  for (std::size_t i = 0; i < kGs; ++i) {
    if (i % 3 == 0) {
      G* kicked = owner.exchange_next(gs[i].get());
      if (kicked == nullptr) continue;
      while (!owner.put(kicked)) {
        GList half;
        if (!owner.take_half(half)) continue;
        while (G* g = half.pop_front()) taken[2].push_back(g);
      }
      continue;
    }
    while (!owner.put(gs[i].get())) {
      if (G* g = owner.get()) taken[2].push_back(g);
    }
    if (i % 5 == 0) {
      if (G* g = owner.get_next()) taken[2].push_back(g);
    }
  }
  done = true;
  for (auto& thief : thieves) thief.join();
  while (G* g = owner.get_next()) taken[2].push_back(g);
  while (G* g = owner.get()) taken[2].push_back(g);
  std::set<G*> unique;
  std::size_t total = 0;
  for (const auto& list : taken) {
    total += list.size();
    unique.insert(list.begin(), list.end());
  }
  CHECK(total == kGs);
  CHECK(unique.size() == kGs);
}

}  // namespace
}  // namespace netpoll::sched
