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
#ifndef SYS_futex
#define SYS_futex -1
#endif
#ifndef SYS_nanosleep
#define SYS_nanosleep -1
#endif
#ifndef SYS_clock_nanosleep
#define SYS_clock_nanosleep -1
#endif

constexpr std::array<int, kSyscallCount> kNumbers = {
#define NETPOLL_SYSCALL(name, class_) SYS_##name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
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

}  // namespace netpoll::probes
