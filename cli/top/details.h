// What is known of one row, as lines.
#pragma once

#include <string>
#include <vector>

#include "cli/top/model.h"
#include "cli/top/text.h"

namespace netpoll::cli {

// Of a goroutine its connection, the process at the other end, its labels and stack; of a group its members; of all the
// history. Lines are drawable and of any length.
std::vector<std::string> details_of(const TopModel& model, std::size_t rank, TextRules rules);

}  // namespace netpoll::cli
