// ExitStatus: what the process tells its caller. Part of the contract with scripts; `help exit-codes` prints the table.
#pragma once

#include "netpoll/error.h"

namespace netpoll::cli {

// The named values, and for `stat -- CMD` any status of CMD itself (pass_through).
enum class ExitStatus : int {
  kDone = 0,
  kNo = 1,               // the answer is "no": a regression, an expectation that was not met
  kUsage = 2,            // the command line or an input file is wrong
  kCannot = 3,           // permission, kernel feature, target gone or unsupported
  kIncomplete = 4,       // done, but data was lost and --strict was given
  kNotExecutable = 126,  // of -- CMD
  kNotFound = 127,       // of -- CMD
  kInterrupted = 130,    // SIGINT; what was collected is still printed
  kTerminated = 143,     // SIGTERM, likewise
};

constexpr ExitStatus pass_through(int status) { return static_cast<ExitStatus>(status); }

// An argument we refused is the caller's mistake; an EINVAL of the kernel is not.
inline ExitStatus exit_status_of(const Error& error) {
  return error.is(ErrorKind::kInvalid) && error.sys_errno() == 0 ? ExitStatus::kUsage : ExitStatus::kCannot;
}

}  // namespace netpoll::cli
