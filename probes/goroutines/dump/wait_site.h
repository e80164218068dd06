// What the frames of a dump tell of the descriptor that their goroutine waits for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "netpoll/trace/goroutine.h"

namespace netpoll::probes {

// Go's function in which goroutines wait for descriptors.
inline constexpr std::string_view kPollWait = "internal/poll.runtime_pollWait";

struct WaitSite {
  std::optional<trace::IoMode> mode;
  std::optional<int> fd;                   // of a system call
  std::optional<std::uint64_t> poll_desc;  // address
  std::string syscall;                     // empty: none is known
  std::optional<std::uint64_t> raw_fd;     // of the call of the kernel, whatever it is
};

// Adds what one call tells, from the innermost on; what is known stays. Names and arguments: Go 1.18 to 1.27,
// internal/poll/fd_poll_runtime.go, internal/poll/fd_unix.go, syscall/zsyscall_linux_*.go.
void add_call(WaitSite& site, std::string_view function, std::string_view arguments);

}  // namespace netpoll::probes
