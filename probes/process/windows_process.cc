// Two errors of Windows have a meaning of POSIX.
#include "probes/process/windows_process.h"

#include <windows.h>

#include <cerrno>

namespace netpoll::probes {

int errno_of_process(unsigned long windows_error) {
  if (windows_error == ERROR_ACCESS_DENIED) return EPERM;
  return windows_error == ERROR_INVALID_PARAMETER ? ESRCH : EIO;
}

}  // namespace netpoll::probes
