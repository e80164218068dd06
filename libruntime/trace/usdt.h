// usdt.h: the USDT side of a tracepoint: provider "netpoll", one probe per row of tracepoints.def, each guarded by its
// semaphore so that arguments are not even computed when nobody listens. Without <sys/sdt.h> probes compile to nothing.
#pragma once

// Elsewhere a header of that name is for the kernel's own probes.
#if defined(__linux__) && __has_include(<sys/sdt.h>)
#define _SDT_HAS_SEMAPHORES 1
#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>
#define NETPOLL_HAVE_USDT 1
#else
#define NETPOLL_HAVE_USDT 0
#endif

#if NETPOLL_HAVE_USDT
// The name that sys/sdt.h builds for provider netpoll.
#define NETPOLL_SEMAPHORE(name) netpoll_##name##_semaphore

extern "C" {
#define NETPOLL_TRACEPOINT(name, argc, a, b, c, d, e, meaning) extern volatile unsigned short NETPOLL_SEMAPHORE(name);
#include "netpoll/trace/tracepoints.def"
#undef NETPOLL_TRACEPOINT
}

#define NETPOLL_USDT(name, ...) STAP_PROBEV(netpoll, name, __VA_ARGS__)
#else
#define NETPOLL_SEMAPHORE(name) 0
#define NETPOLL_USDT(name, ...) static_cast<void>(0)
#endif
