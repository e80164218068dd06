// Visible skips: Catch2 2.13 has no SKIP(), so a skipped case says why on stderr and is counted; a program in which
// nothing but skipped cases ran exits with 77, which CTest shows as "Skipped".
#pragma once

#include <string_view>

namespace netpoll::test {

// Prints "SKIPPED: reason" and counts it. The caller returns from its test case right after.
void note_skip(std::string_view reason);

}  // namespace netpoll::test

#define NETPOLL_SKIP(reason)            \
  do {                                  \
    ::netpoll::test::note_skip(reason); \
    return;                             \
  } while (false)
