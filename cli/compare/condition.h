// Condition: 'PATH OP LIMIT', the language of `compare --fail-on` and `run --expect`.
//
//   syscalls.epoll_ctl.per_op > +2%     the head's value grew by more than 2 % of the base's
//   tracepoints.park.count > +100       it grew by more than 100
//   operations_per_s < -1%              it fell by more than 1 %
//   latency_ns.p99 > 5ms                its value itself; paths in ns take durations, those in bytes sizes
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "netpoll/result.h"

namespace netpoll::cli {

struct Condition {
  enum class Op { kGreater, kGreaterEqual, kLess, kLessEqual, kEqual, kNotEqual };
  enum class Against {
    kValue,       // LIMIT without a sign
    kDifference,  // signed
    kPercent,     // signed or not, with %
  };

  std::string text;  // as the user wrote it
  std::string path;
  Op op = Op::kGreater;
  Against against = Against::kValue;
  double limit = 0;  // in the unit of the path, or in percent

  // Whether the condition holds. base is not looked at for kValue. A change of percent of a base of 0 is infinite,
  // except that 0 and 0 differ by 0 %.
  bool holds(double base, double head) const;
};

// flag is for messages: "--fail-on". Fails with kInvalid and says which part is wrong.
Result<Condition> parse_condition(std::string_view text, std::string_view flag);

}  // namespace netpoll::cli
