// winsock_error.h: errors of Winsock and of overlapped operations as errno says them.
#pragma once

namespace netpoll::base {

// From WSAGetLastError() or GetLastError(), 0 for 0. Those without a counterpart become EIO.
int errno_of(unsigned long error);

// Makes sure that Winsock was started; called before the first socket is made.
void start_winsock();

}  // namespace netpoll::base
