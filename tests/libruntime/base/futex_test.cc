// Sleeping on a word: no wake is lost, a limit ends the sleep, and nobody is woken for another's word.
#include "libruntime/base/futex.h"

#include <array>
#include <thread>

#include "libruntime/base/clock.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace netpoll::base {
namespace {

constexpr std::int64_t kLong = 60'000'000'000;

TEST_CASE("a word that has changed already is not slept on") {
  std::atomic<std::uint32_t> word{1};
  futex_wait(word, 0);
  futex_wait(word, 0, kLong);
  SUCCEED();
}

TEST_CASE("a limit ends a sleep that nobody ends") {
  std::atomic<std::uint32_t> word{0};
  const std::int64_t begin = nanotime();
  // It may return early, so until the time is over.
  while (nanotime() - begin < 3'000'000) futex_wait(word, 0, 3'000'000 - (nanotime() - begin));
  SUCCEED();
}

TEST_CASE("two threads hand a word to and fro, with and without a limit") {
  constexpr std::uint32_t kRounds = 2000;
  for (const std::int64_t limit : {std::int64_t{-1}, kLong}) {
    std::atomic<std::uint32_t> word{0};
    const auto play = [&](std::uint32_t parity) {
      for (;;) {
        const std::uint32_t seen = word.load();
        if (seen >= kRounds) return;
        if (seen % 2 != parity) {
          futex_wait(word, seen, limit);
          continue;
        }
        word.store(seen + 1);
        futex_wake(word);
      }
    };
    std::thread other(play, 1);
    play(0);
    other.join();
    REQUIRE(word.load() == kRounds);
  }
}

TEST_CASE("a wake for all reaches those that sleep with a limit and those without") {
  std::atomic<std::uint32_t> word{0};
  std::atomic<int> awake{0};
  std::array<std::thread, 6> threads;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    threads[i] = std::thread([&, i] {
      while (word.load() == 0) futex_wait(word, 0, i % 2 == 0 ? -1 : kLong);
      awake.fetch_add(1);
    });
  }
  word.store(1);
  futex_wake(word, INT32_MAX);
  test::must(test::eventually([&] { return awake.load() == static_cast<int>(threads.size()); }));
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("a sleep that its limit has ended leaves no wake behind for the next one") {
  std::atomic<std::uint32_t> word{0};
  std::atomic<bool> stop{false};
  std::thread waker([&] {
    while (!stop.load()) futex_wake(word);
  });
  for (int i = 0; i < 200; ++i) futex_wait(word, 0, 10'000);
  stop.store(true);
  waker.join();
  // With nobody waking any more a sleep lasts: at most the one wake that was under way may cut it short.
  const std::int64_t begin = nanotime();
  futex_wait(word, 0, 20'000'000);
  futex_wait(word, 0, 20'000'000);
  REQUIRE(nanotime() - begin >= 20'000'000);
}

}  // namespace
}  // namespace netpoll::base
