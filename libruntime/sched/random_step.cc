// The random steps of a build with random yields (NETPOLL_RANDOM_YIELDS).
#include "libruntime/sched/random_step.h"

#if defined(NETPOLL_RANDOM_YIELDS)

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace netpoll::sched {
namespace {

std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* text = std::getenv("NETPOLL_YIELD_SEED");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
  }();
  return value;
}

std::uint64_t next_random() {
  static std::atomic<std::uint64_t> threads{0};
  thread_local std::uint64_t state = seed() * 0x9e3779b97f4a7c15 + (threads.fetch_add(1) + 1) * 0xbf58476d1ce4e5b9;
  // xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016)
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545f4914f6cdd1d;
}

}  // namespace

__attribute__((noinline)) void random_step() {
  const std::uint64_t random = next_random() >> 32;
  if ((random & 15) == 0) {
    sched_yield();
  } else if ((random & 15) == 1) {
    for (auto spins = static_cast<int>(random >> 8 & 255); spins > 0; --spins) __asm__ volatile("");
  }
}

}  // namespace netpoll::sched

#endif
