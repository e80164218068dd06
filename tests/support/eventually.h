// eventually: waits for a condition, with a deadline that only a failure reaches.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace netpoll::test {

inline constexpr std::chrono::seconds kPatience{60};

// Asks until holds() is true; false when it is not within kPatience, or when pause(), which is called in between,
// returns false.
template <typename Condition, typename Pause>
bool eventually(Condition&& holds, Pause&& pause) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (!pause()) return holds();
  }
  return true;
}

// For threads; goroutines, who must let others run, have tests/libruntime/goroutines.h.
template <typename Condition>
bool eventually(Condition&& holds) {
  return eventually(holds, [] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return true;
  });
}

// For waits without whose success the rest of the test makes no sense: ends the program when it did not come true.
inline void must(bool came_true, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (came_true) return;
  std::fprintf(stderr, "%s:%d: waited in vain\n", file, line);
  std::abort();
}

}  // namespace netpoll::test
