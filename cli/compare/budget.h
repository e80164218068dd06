// Budget: limits in a file under version control (TOML).
//
//   version = 1
//
//   [limits."syscalls.epoll_ctl.per_op"]
//   max = 0.02              # the head's own value, in the unit of the path; times also as "5ms", bytes as "64Ki"
//   max_increase = 0.001    # over the base, in the unit of the path
//   max_increase_pct = 2    # over the base, in percent
//
// and min, max_decrease, max_decrease_pct for what must not fall. Of those that look upwards all that are given must be
// exceeded, and so of those that look downwards.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/compare/limit.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// The version of the format that this program reads.
constexpr int kBudgetVersion = 1;

// Fails with kInvalid, as "FILE:LINE:COLUMN: what": not TOML, no or a newer version, an unknown key, a value that is no
// number or negative, NaN or infinite.
Result<std::vector<Limit>> read_budget(const std::string& path);
// The same for text in memory; name is for messages.
Result<std::vector<Limit>> parse_budget(std::string_view text, const std::string& name);

}  // namespace netpoll::cli
