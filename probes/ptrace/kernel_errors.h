// The kernel's own errors by which a system call asks to be entered again: a tracer sees them, the program never does
// (include/linux/errno.h of the kernel).
#pragma once

#include <cstdint>

namespace netpoll::probes {

inline constexpr std::int64_t kRestartSys = 512;        // ERESTARTSYS: unless a handler without SA_RESTART runs
inline constexpr std::int64_t kRestartNoHandler = 514;  // ERESTARTNOHAND: unless any handler runs
inline constexpr std::int64_t kRestartBlock = 516;      // ERESTART_RESTARTBLOCK: likewise, by restart_syscall(2)

// Whether a call with this result is entered again if nothing comes in between. 513 is ERESTARTNOINTR: it always is.
inline bool is_kernel_restart(std::int64_t result) {
  return (-result >= kRestartSys && -result <= kRestartNoHandler) || result == -kRestartBlock;
}

}  // namespace netpoll::probes
