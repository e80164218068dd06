// ptrace(2) with types that fit.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>

#include <type_traits>

namespace netpoll::probes {

// What PTRACE_GET_SYSCALL_INFO fills in, under the name that glibc has for it.
using SyscallInfo = struct __ptrace_syscall_info;

// Requests that return 0, or -1 with errno.
template <typename Data = long>
int request(__ptrace_request what, pid_t tid, void* address = nullptr, Data data = {}) {
  if constexpr (std::is_pointer_v<Data>) {
    return static_cast<int>(ptrace(what, tid, address, static_cast<void*>(data)));
  } else {
    return static_cast<int>(ptrace(what, tid, address, static_cast<long>(data)));
  }
}

// Of a thread in any stop. False when it was killed meanwhile.
inline bool get_syscall_info(pid_t tid, SyscallInfo& info) {
  return ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0;
}

}  // namespace netpoll::probes
