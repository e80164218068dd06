// Limit: what may not happen to one figure, from the command line or a budget file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/compare/condition.h"

namespace netpoll::cli {

// Passed when all its conditions hold: an absolute and a relative one that stand together must both be exceeded, so
// that neither two calls more of ten nor 0.1 % of a million raise the alarm.
struct Limit {
  struct Source {
    std::string file;
    unsigned line = 0;  // both from 1
    unsigned column = 0;
  };

  std::string text;  // for people: "syscalls.epoll_ctl.per_op > 0.02 and > +2%"
  std::string path;
  std::vector<Condition> all;    // never empty, all on path
  std::optional<Source> source;  // of a budget

  bool holds(double base, double head) const;
  // Whether a condition looks at the base.
  bool is_about_change() const;
};

// That of a --fail-on.
Limit limit_of(Condition condition);

}  // namespace netpoll::cli
