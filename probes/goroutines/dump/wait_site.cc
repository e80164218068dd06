// Knows the functions through which Go programs wait for descriptors.
#include "probes/goroutines/dump/wait_site.h"

#include <array>
#include <limits>

#include "probes/goroutines/dump/dump_line.h"

namespace netpoll::probes {
namespace {

using trace::IoMode;

// Functions that take the descriptor as their first argument.
struct CallRow {
  std::string_view name;
  IoMode mode;
};
constexpr std::array kCalls = {
    CallRow{"read", IoMode::kRead},          CallRow{"pread", IoMode::kRead},
    CallRow{"recvfrom", IoMode::kRead},      CallRow{"recvmsg", IoMode::kRead},
    CallRow{"accept", IoMode::kRead},        CallRow{"accept4", IoMode::kRead},
    CallRow{"write", IoMode::kWrite},        CallRow{"pwrite", IoMode::kWrite},
    CallRow{"sendto", IoMode::kWrite},       CallRow{"sendmsg", IoMode::kWrite},
    CallRow{"sendmsgN", IoMode::kWrite},     CallRow{"connect", IoMode::kWrite},
    CallRow{"recvfromInet4", IoMode::kRead}, CallRow{"recvfromInet6", IoMode::kRead},
};

std::optional<IoMode> mode_of_method(std::string_view method) {
  for (const std::string_view read : {"Read", "Accept", "Pread", "RawRead", "waitRead"}) {
    if (method.starts_with(read)) return IoMode::kRead;
  }
  for (const std::string_view write : {"Write", "Pwrite", "RawWrite", "SendFile", "WaitWrite", "waitWrite"}) {
    if (method.starts_with(write)) return IoMode::kWrite;
  }
  return std::nullopt;
}

}  // namespace

void add_call(WaitSite& site, std::string_view function, std::string_view arguments) {
  if (function == kPollWait) {
    site.poll_desc = argument(arguments, 0);
    const auto mode = argument(arguments, 1);
    if (mode == 'r') site.mode = IoMode::kRead;
    if (mode == 'w') site.mode = IoMode::kWrite;
    return;
  }
  if (take_prefix(function, "internal/poll.(*FD).") || take_prefix(function, "internal/poll.(*pollDesc).")) {
    if (!site.mode) site.mode = mode_of_method(function);
    return;
  }
  if (!take_prefix(function, "syscall.") && !take_prefix(function, "golang.org/x/sys/unix.")) return;
  // syscall.Syscall(number, descriptor, ...), below what may have been inlined and shows no arguments.
  if (function == "Syscall" || function == "Syscall6") site.raw_fd = argument(arguments, 1);
  for (const CallRow& row : kCalls) {
    if (function != row.name || !site.syscall.empty()) continue;
    site.syscall = row.name;
    if (!site.mode) site.mode = row.mode;
    const auto own = argument(arguments, 0);
    const auto fd = own ? own : site.raw_fd;
    if (fd && *fd <= std::numeric_limits<int>::max()) site.fd = static_cast<int>(*fd);
  }
}

}  // namespace netpoll::probes
