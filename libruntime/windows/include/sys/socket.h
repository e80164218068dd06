// sys/socket.h, for Windows: Winsock under the names of POSIX. On the include path of what is built for Windows alone.
#pragma once

#include <cerrno>

#include <winsock2.h>
#include <ws2tcpip.h>

// What windows.h defines and C++ code has better uses for.
#undef ERROR
#undef interface

// Asked of socket(2) and accept4(2). Handles are inherited only by children that are given them, and operations of a
// completion port do not block, so these say what is so already.
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC 02000000

typedef unsigned short sa_family_t;

#define SHUT_RD SD_RECEIVE
#define SHUT_WR SD_SEND
#define SHUT_RDWR SD_BOTH

#define MSG_NOSIGNAL 0  // there is no SIGPIPE
#define MSG_DONTWAIT 0  // that is a matter of the socket, and all of libruntime's are non-blocking

// An error of Linux that Winsock does not report.
#ifndef EHOSTDOWN
#define EHOSTDOWN 10064
#endif
