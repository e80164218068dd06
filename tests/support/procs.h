// The number of Ps a test runs with: NETPOLL_TEST_PROCS, else 2.
#pragma once

#include <cstdlib>

namespace netpoll::test {

inline int procs() {
  const char* text = std::getenv("NETPOLL_TEST_PROCS");
  return text != nullptr ? std::atoi(text) : 2;
}

}  // namespace netpoll::test
