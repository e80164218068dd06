// kNoDeadline: the deadline of I/O that never comes; time.h says how the others are given.
#pragma once

#include "netpoll/time.h"

namespace netpoll {

// Setting it clears an earlier deadline.
inline constexpr TimePoint kNoDeadline = TimePoint::max();

}  // namespace netpoll
