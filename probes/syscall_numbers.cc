// Numbers by row, and rows by number.
#include "probes/syscall_numbers.h"

#include <sys/syscall.h>

namespace netpoll::probes {
namespace {

// A number that <sys/syscall.h> does not define stands for a call that this architecture, or its headers, do not have.
#ifndef SYS_epoll_wait
#define SYS_epoll_wait -1
#endif
#ifndef SYS_epoll_pwait
#define SYS_epoll_pwait -1
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 -1
#endif
#ifndef SYS_poll
#define SYS_poll -1
#endif
#ifndef SYS_ppoll
#define SYS_ppoll -1
#endif
#ifndef SYS_select
#define SYS_select -1
#endif
#ifndef SYS_pselect6
#define SYS_pselect6 -1
#endif
#ifndef SYS_epoll_ctl
#define SYS_epoll_ctl -1
#endif
#ifndef SYS_epoll_create
#define SYS_epoll_create -1
#endif
#ifndef SYS_epoll_create1
#define SYS_epoll_create1 -1
#endif
#ifndef SYS_read
#define SYS_read -1
#endif
#ifndef SYS_write
#define SYS_write -1
#endif
#ifndef SYS_readv
#define SYS_readv -1
#endif
#ifndef SYS_writev
#define SYS_writev -1
#endif
#ifndef SYS_recvfrom
#define SYS_recvfrom -1
#endif
#ifndef SYS_sendto
#define SYS_sendto -1
#endif
#ifndef SYS_recvmsg
#define SYS_recvmsg -1
#endif
#ifndef SYS_sendmsg
#define SYS_sendmsg -1
#endif
#ifndef SYS_preadv2
#define SYS_preadv2 -1
#endif
#ifndef SYS_pwritev2
#define SYS_pwritev2 -1
#endif
#ifndef SYS_recvmmsg
#define SYS_recvmmsg -1
#endif
#ifndef SYS_sendmmsg
#define SYS_sendmmsg -1
#endif
#ifndef SYS_sendfile
#define SYS_sendfile -1
#endif
#ifndef SYS_splice
#define SYS_splice -1
#endif
#ifndef SYS_accept4
#define SYS_accept4 -1
#endif
#ifndef SYS_accept
#define SYS_accept -1
#endif
#ifndef SYS_connect
#define SYS_connect -1
#endif
#ifndef SYS_close
#define SYS_close -1
#endif
#ifndef SYS_io_uring_enter
#define SYS_io_uring_enter -1
#endif
#ifndef SYS_futex
#define SYS_futex -1
#endif
#ifndef SYS_nanosleep
#define SYS_nanosleep -1
#endif
#ifndef SYS_clock_nanosleep
#define SYS_clock_nanosleep -1
#endif
#ifndef SYS_socket
#define SYS_socket -1
#endif
#ifndef SYS_socketpair
#define SYS_socketpair -1
#endif
#ifndef SYS_bind
#define SYS_bind -1
#endif
#ifndef SYS_listen
#define SYS_listen -1
#endif
#ifndef SYS_getsockname
#define SYS_getsockname -1
#endif
#ifndef SYS_getpeername
#define SYS_getpeername -1
#endif
#ifndef SYS_getsockopt
#define SYS_getsockopt -1
#endif
#ifndef SYS_setsockopt
#define SYS_setsockopt -1
#endif
#ifndef SYS_shutdown
#define SYS_shutdown -1
#endif
#ifndef SYS_fcntl
#define SYS_fcntl -1
#endif
#ifndef SYS_ioctl
#define SYS_ioctl -1
#endif
#ifndef SYS_fstat
#define SYS_fstat -1
#endif
#ifndef SYS_dup
#define SYS_dup -1
#endif
#ifndef SYS_dup2
#define SYS_dup2 -1
#endif
#ifndef SYS_dup3
#define SYS_dup3 -1
#endif
#ifndef SYS_preadv
#define SYS_preadv -1
#endif
#ifndef SYS_pwritev
#define SYS_pwritev -1
#endif

constexpr std::array<int, kSyscallCount> kNumbers = {
#define NETPOLL_SYSCALL(name, class_) SYS_##name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
};

constexpr std::array<int, kSocketCallCount> kSocketCallNumbers = {
#define NETPOLL_SOCKET_CALL(name, kind) SYS_##name,
#include "probes/socket_calls.def"
#undef NETPOLL_SOCKET_CALL
};

}  // namespace

std::optional<int> syscall_number(Syscall syscall) {
  const int nr = kNumbers[static_cast<std::size_t>(syscall)];
  if (nr < 0) return std::nullopt;
  return nr;
}

std::optional<Syscall> syscall_of_number(long nr) {
  for (std::size_t i = 0; i < kNumbers.size(); ++i) {
    if (nr >= 0 && kNumbers[i] == nr) return static_cast<Syscall>(i);
  }
  return std::nullopt;
}

std::optional<int> syscall_number(SocketCall call) {
  const int nr = kSocketCallNumbers[static_cast<std::size_t>(call)];
  if (nr < 0) return std::nullopt;
  return nr;
}

std::optional<SocketCall> socket_call_of_number(long nr) {
  for (std::size_t i = 0; i < kSocketCallNumbers.size(); ++i) {
    if (nr >= 0 && kSocketCallNumbers[i] == nr) return static_cast<SocketCall>(i);
  }
  return std::nullopt;
}

}  // namespace netpoll::probes
