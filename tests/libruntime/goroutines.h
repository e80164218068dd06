// Waiting in goroutines: others run meanwhile.
#pragma once

#include <chrono>

#include "netpoll/go.h"
#include "tests/support/eventually.h"

namespace netpoll::test {

// As eventually(), for goroutines. Also false once the Runtime is shut down with kCancel.
template <typename Condition>
bool soon(Condition&& holds) {
  int turn = 0;
  return eventually(holds, [&turn] {
    if (++turn > 100) return static_cast<bool>(sleep(std::chrono::microseconds(100)));
    yield();
    return true;
  });
}

template <typename Condition>
void until(Condition&& holds, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  must(soon(holds), file, line);
}

}  // namespace netpoll::test
