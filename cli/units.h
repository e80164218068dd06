// Numbers with units, as users type them: "5s", "250ms", "64Ki", "100k".
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "netpoll/result.h"

namespace netpoll::cli {

// Every function fails with kInvalid, naming `what` (a flag such as "--duration") and the text, with a hint how to
// write it. Nothing is trimmed, rounded silently or clamped; a value that does not fit is an error.

// A number with ns, us, ms, s, m or h, fractions allowed, several in a row: "1.5s", "1m30s". Never negative.
Result<std::chrono::nanoseconds> parse_duration(std::string_view text, std::string_view what);

// Bytes, or a number with k, M, G (1000) or Ki, Mi, Gi (1024); a trailing B is accepted.
Result<std::uint64_t> parse_size(std::string_view text, std::string_view what);

// A whole number, with k or M for thousands and millions: "100000", "100k".
Result<std::uint64_t> parse_count(std::string_view text, std::string_view what);

// A whole number without suffix between low and high.
Result<std::int64_t> parse_integer(std::string_view text, std::string_view what, std::int64_t low, std::int64_t high);

// A process id.
Result<pid_t> parse_pid(std::string_view text);

// The number of a file descriptor.
Result<int> parse_descriptor(std::string_view text, std::string_view what);

// The shortest exact spelling that parse_duration reads back: "1500ms", "2s".
std::string duration_text(std::chrono::nanoseconds value);

}  // namespace netpoll::cli
