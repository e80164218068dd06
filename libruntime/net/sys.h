// sys.h: the door through which net/ reaches the kernel. Returns -errno on failure, see base/syscall.h.
//
// The fault tests compile the sources of this folder a second time with NETPOLL_NET_FAULTS, which puts fault_sys()
// between them and the kernel (tests/libruntime/net/faults.h). In every other build this is base::sys and nothing else.
#pragma once

#include "libruntime/base/syscall.h"

namespace netpoll::net {

#ifdef NETPOLL_NET_FAULTS

long fault_sys(long number, const long (&args)[6]);

template <typename... Args>
inline long sys(long number, Args... args) {
  const long words[6] = {base::syscall_word(args)...};
  return fault_sys(number, words);
}

#else

template <typename... Args>
inline long sys(long number, Args... args) {
  return base::sys(number, args...);
}

#endif

}  // namespace netpoll::net
