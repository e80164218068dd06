// The lines above the table: whom we look at, what they do together, and what cannot be told.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/top/sample.h"
#include "cli/top/text.h"

namespace netpoll::cli {

// Three lines, of any length: processes and time; goroutines by state, or registrations, threads and CPU; calls a
// second, or why they are unknown. remark: behind the time, "FROZEN".
std::vector<std::string> header_of(const TopSample& sample, std::chrono::nanoseconds interval,
                                   const std::string& remark, TextRules rules);

// "12:30:01", in local time.
std::string clock_text(std::chrono::system_clock::time_point at);

}  // namespace netpoll::cli
