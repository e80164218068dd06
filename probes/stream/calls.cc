// What is known of each system call of a stream: its arguments by name, and what it does to a descriptor.
#include "probes/stream/calls.h"

#include <sys/syscall.h>

#include <algorithm>

#include "probes/syscall_numbers.h"

namespace netpoll::probes {
namespace {

using Form = trace::ArgForm;

// In any order; a call without a row has no arguments to show.
constexpr CallInfo kKnown[] = {
    {"epoll_wait",
     CallRole::kWait,
     0,
     -1,
     3,
     {{{0, "epfd", Form::kFd}, {2, "maxevents"}, {3, "timeout", Form::kMilliseconds}}}},
    {"epoll_pwait",
     CallRole::kWait,
     0,
     -1,
     3,
     {{{0, "epfd", Form::kFd}, {2, "maxevents"}, {3, "timeout", Form::kMilliseconds}}}},
    {"epoll_pwait2", CallRole::kWait, 0, -1, 2, {{{0, "epfd", Form::kFd}, {2, "maxevents"}}}},
    {"poll", CallRole::kOther, -1, -1, 2, {{{1, "nfds"}, {2, "timeout", Form::kMilliseconds}}}},
    {"ppoll", CallRole::kOther, -1, -1, 1, {{{1, "nfds"}}}},
    {"select", CallRole::kOther, -1, -1, 1, {{{0, "nfds"}}}},
    {"pselect6", CallRole::kOther, -1, -1, 1, {{{0, "nfds"}}}},
    {"preadv2", CallRole::kRead, 0, -1, 2, {{{0, "fd", Form::kFd}, {2, "iovcnt"}}}},
    {"pwritev2", CallRole::kWrite, 0, -1, 2, {{{0, "fd", Form::kFd}, {2, "iovcnt"}}}},
    {"recvmmsg", CallRole::kRead, 0, -1, 3, {{{0, "fd", Form::kFd}, {2, "vlen"}, {3, "flags", Form::kHex}}}},
    {"sendmmsg", CallRole::kWrite, 0, -1, 3, {{{0, "fd", Form::kFd}, {2, "vlen"}, {3, "flags", Form::kHex}}}},
    {"sendfile", CallRole::kWrite, 0, 3, 3, {{{0, "fd", Form::kFd}, {1, "in_fd"}, {3, "count"}}}},
    {"splice", CallRole::kOther, 0, 4, 3, {{{0, "fd", Form::kFd}, {2, "out_fd"}, {4, "count"}}}},
    {"io_uring_enter", CallRole::kOther, 0, -1, 3, {{{0, "fd", Form::kFd}, {1, "to_submit"}, {2, "min_complete"}}}},
    {"epoll_ctl", CallRole::kCtl, 2, -1, 3, {{{1, "op", Form::kCtlOp}, {2, "fd", Form::kFd}, {0, "epfd"}}}},
    {"epoll_create", CallRole::kReplace, -1, -1, 1, {{{0, "size"}}}},
    {"epoll_create1", CallRole::kReplace, -1, -1, 1, {{{0, "flags", Form::kHex}}}},
    {"read", CallRole::kRead, 0, 2, 2, {{{0, "fd", Form::kFd}, {2, "count"}}}},
    {"write", CallRole::kWrite, 0, 2, 2, {{{0, "fd", Form::kFd}, {2, "count"}}}},
    {"readv", CallRole::kRead, 0, -1, 2, {{{0, "fd", Form::kFd}, {2, "iovcnt"}}}},
    {"writev", CallRole::kWrite, 0, -1, 2, {{{0, "fd", Form::kFd}, {2, "iovcnt"}}}},
    {"recvfrom", CallRole::kRead, 0, 2, 3, {{{0, "fd", Form::kFd}, {2, "count"}, {3, "flags", Form::kHex}}}},
    {"sendto", CallRole::kWrite, 0, 2, 3, {{{0, "fd", Form::kFd}, {2, "count"}, {3, "flags", Form::kHex}}}},
    {"recvmsg", CallRole::kRead, 0, -1, 2, {{{0, "fd", Form::kFd}, {2, "flags", Form::kHex}}}},
    {"sendmsg", CallRole::kWrite, 0, -1, 2, {{{0, "fd", Form::kFd}, {2, "flags", Form::kHex}}}},
    {"accept4", CallRole::kAccept, 0, -1, 2, {{{0, "fd", Form::kFd}, {3, "flags", Form::kHex}}}},
    {"accept", CallRole::kAccept, 0, -1, 1, {{{0, "fd", Form::kFd}}}},
    {"connect", CallRole::kConnect, 0, -1, 1, {{{0, "fd", Form::kFd}}}},
    {"close", CallRole::kClose, 0, -1, 1, {{{0, "fd", Form::kFd}}}},
    {"futex", CallRole::kOther, -1, -1, 3, {{{0, "uaddr", Form::kHex}, {1, "op"}, {2, "val"}}}},
    {"clock_nanosleep", CallRole::kOther, -1, -1, 2, {{{0, "clockid"}, {1, "flags", Form::kHex}}}},
    {"socket", CallRole::kReplace, -1, -1, 3, {{{0, "domain"}, {1, "type", Form::kHex}, {2, "protocol"}}}},
    {"listen", CallRole::kOther, 0, -1, 2, {{{0, "fd", Form::kFd}, {1, "backlog"}}}},
    {"shutdown", CallRole::kOther, 0, -1, 2, {{{0, "fd", Form::kFd}, {1, "how"}}}},
    {"dup", CallRole::kReplace, 0, -1, 1, {{{0, "fd", Form::kFd}}}},
    {"dup2", CallRole::kReplace, 0, -1, 2, {{{0, "fd", Form::kFd}, {1, "newfd"}}}},
    {"dup3", CallRole::kReplace, 0, -1, 3, {{{0, "fd", Form::kFd}, {1, "newfd"}, {2, "flags", Form::kHex}}}},
    {"close_range", CallRole::kCloseRange, -1, -1, 3, {{{0, "first"}, {1, "last"}, {2, "flags", Form::kHex}}}},
};

constexpr std::array<std::string_view, kStreamCallCount> kCallNames = {
#define NETPOLL_SYSCALL(name, class_) #name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
#define NETPOLL_BOOKKEEPING_CALL(name) #name,
#include "probes/socket_calls.def"
#undef NETPOLL_BOOKKEEPING_CALL
};

#ifndef SYS_dup2
#define SYS_dup2 -1
#endif

constexpr std::array kBookkeepingNumbers = {
#define NETPOLL_BOOKKEEPING_CALL(name) SYS_##name,
#include "probes/socket_calls.def"
#undef NETPOLL_BOOKKEEPING_CALL
};

std::array<CallInfo, kStreamCallCount> make_table() {
  std::array<CallInfo, kStreamCallCount> table;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto* known =
        std::find_if(std::begin(kKnown), std::end(kKnown), [&](const auto& c) { return c.name == kCallNames[i]; });
    if (known != std::end(kKnown)) table[i] = *known;
    table[i].name = kCallNames[i];
  }
  return table;
}

}  // namespace

bool changes_descriptors(CallRole role) {
  return role == CallRole::kCtl || role == CallRole::kAccept || role == CallRole::kConnect ||
         role == CallRole::kClose || role == CallRole::kReplace || role == CallRole::kCloseRange;
}

const std::array<CallInfo, kStreamCallCount>& stream_calls() {
  static const std::array<CallInfo, kStreamCallCount> table = make_table();
  return table;
}

std::optional<unsigned> stream_call_number(std::size_t row) {
  const int nr = row < kSyscallCount ? syscall_number(static_cast<Syscall>(row)).value_or(-1)
                                     : kBookkeepingNumbers.at(row - kSyscallCount);
  // One that is counted too has its row there.
  if (nr < 0 || (row >= kSyscallCount && syscall_of_number(nr))) return std::nullopt;
  return static_cast<unsigned>(nr);
}

}  // namespace netpoll::probes
