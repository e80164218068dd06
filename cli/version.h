// The version of this build.
#pragma once

#include <string_view>

namespace netpoll::cli {

inline constexpr std::string_view kToolName = "netpoll-trace";
std::string_view version();

}  // namespace netpoll::cli
