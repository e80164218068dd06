// The system calls of a stream: those of syscalls.def, in its order, then the bookkeeping calls of socket_calls.def.
// And what their arguments are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "netpoll/trace/record.h"
#include "probes/counts.h"

namespace netpoll::probes {

inline constexpr std::size_t kStreamCallCount = kSyscallCount
#define NETPOLL_BOOKKEEPING_CALL(name) +1
#include "probes/socket_calls.def"
#undef NETPOLL_BOOKKEEPING_CALL
    ;

// What a call does to the descriptor it is about.
enum class CallRole : std::uint8_t {
  kOther,
  kWait,    // reports events: epoll_wait and its relatives
  kCtl,     // epoll_ctl
  kRead,    // takes something from it; accept too
  kAccept,  // and returns a new descriptor
  kWrite,   // gives it something
  kConnect,
  kClose,
  kReplace,  // gives a number that it returns a new meaning: socket, dup
  kCloseRange,
};

// Whether nobody knows what a descriptor is who has not seen all such calls.
bool changes_descriptors(CallRole role);

struct CallArg {
  std::uint8_t index = 0;  // among the six of the call
  std::string_view name = {};
  trace::ArgForm form = trace::ArgForm::kNumber;
};

struct CallInfo {
  std::string_view name;
  CallRole role = CallRole::kOther;
  int fd_arg = -1;    // index of the argument that is the descriptor it is about; -1: none
  int size_arg = -1;  // of that which says how many bytes are asked for
  std::uint8_t argc = 0;
  std::array<CallArg, 4> args{};  // in the order to show them; the event of epoll_ctl is not among them
};

// One row for each, without regard to the architecture.
const std::array<CallInfo, kStreamCallCount>& stream_calls();
// Its number on this machine; nothing where it has none.
std::optional<unsigned> stream_call_number(std::size_t row);

}  // namespace netpoll::probes
