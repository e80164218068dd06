// What Windows says of calls that name a process by its number.
#pragma once

namespace netpoll::probes {

// What an error of such a call means: ESRCH, EPERM, or EIO for all else.
int errno_of_process(unsigned long windows_error);

}  // namespace netpoll::probes
