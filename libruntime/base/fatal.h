// fatal(): the runtime's throw(). For broken invariants of the runtime or of its user, never for expected failures.
#pragma once

#include <string>

// The conversions of C99: under MinGW "printf" means those of an old library of Microsoft's, which is not what is used.
#if defined(__MINGW32__)
#define NETPOLL_PRINTF gnu_printf
#else
#define NETPOLL_PRINTF printf
#endif

namespace netpoll::base {

// Prints "fatal error: message" and whatever the hook adds (the goroutine, its stack and fds) to stderr, then aborts.
// Never allocates on the way to the message. Safe on any stack with 1 KiB left.
[[noreturn]] void fatal(const char* message);
[[noreturn]] void fatalf(const char* format, ...) __attribute__((format(NETPOLL_PRINTF, 1, 2)));

// Called once by fatal() after the message; the scheduler installs one that names the current goroutine.
using FatalHook = void (*)();
void set_fatal_hook(FatalHook hook);

// Writes a formatted line to stderr in one write(2), without allocation; longer lines are cut at 1 KiB.
void log_line(const char* format, ...) __attribute__((format(NETPOLL_PRINTF, 1, 2)));

}  // namespace netpoll::base
