// sys/socket.h, for macOS: the system's own, and what socket(2) and accept(2) there cannot be asked for. On the include
// path of what is built for macOS alone.
#pragma once

#include_next <sys/socket.h>

// Taken out again, and done by fcntl(2), in base/syscall_bsd.cc. The types of sockets are small numbers.
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC 02000000
