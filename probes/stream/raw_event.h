/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * raw_event.h: an event as whoever saw it writes it down, in the kernel (syscall_stream.bpf.c) or beside a traced
 * thread (ptrace_stream.cc), and as stream_decoder.h reads it. C and C++ read it.
 */
#ifndef PROBES_STREAM_RAW_EVENT_H
#define PROBES_STREAM_RAW_EVENT_H

#include <linux/types.h>

enum netpoll_stream_kind {
  NETPOLL_STREAM_CALL,       /* at its return */
  NETPOLL_STREAM_UNFINISHED, /* a call in which its thread, or the stream, ended */
  NETPOLL_STREAM_MORE,       /* more of the events that the last call of the thread returned */
  NETPOLL_STREAM_USDT,
  NETPOLL_STREAM_EXEC,
  NETPOLL_STREAM_FORK, /* args[0]: the child */
  NETPOLL_STREAM_EXIT,
  NETPOLL_STREAM_URING,      /* an operation of io_uring, at its completion */
  NETPOLL_STREAM_URING_OPEN, /* one that had not completed when its process, or the stream, ended */
};

/* The args of an operation. */
enum netpoll_uring_arg {
  NETPOLL_URING_USER_DATA,
  NETPOLL_URING_FD,    /* or the number of a registered file; -1: not known */
  NETPOLL_URING_FIXED, /* whether it is the latter */
  NETPOLL_URING_FLAGS, /* of its completion, IORING_CQE_F_* */
};
/* The opcode of one that completes several times and began unseen. */
#define NETPOLL_URING_UNKNOWN 0xff

#define NETPOLL_STREAM_ARGS 5
/* The cpu of an event that was seen from elsewhere. */
#define NETPOLL_STREAM_NO_CPU 0xffff

struct netpoll_stream_event {
  __u64 time_ns;
  __u64 start_ns; /* of a call; 0: its start was not seen; beside `before`: when the trace began */
  __u32 dropped;  /* events that were dropped on this CPU so far, its low 32 bits */
  __u16 cpu;
  __u8 kind; /* enum netpoll_stream_kind */
  __u8 row;  /* of a call: that of stream_calls(); of a tracepoint: that of tracepoints.def; of io_uring: the opcode */
  __u32 tgid;
  __u32 tid;
  __s64 result;
  __u64 args[NETPOLL_STREAM_ARGS]; /* CTL: args[3] and args[4] are events and data of its event */
  __u64 goid;                      /* Go: 0: the scheduler's own, or not known */
  __u64 labels;                    /* Go: g.labels */
  __u16 count;                     /* of epoll_events, or bytes of an address, that follow */
  __u16 skipped;                   /* epoll_events that are in no record */
  __u32 before;                    /* 1: the call had begun before the trace */
};

/* Records have one of these sizes, counted in epoll_events. */
#define NETPOLL_STREAM_FEW 8
#define NETPOLL_STREAM_MANY 64
/* So many records of NETPOLL_STREAM_MANY one call may take. */
#define NETPOLL_STREAM_CHUNKS 32

/* struct epoll_event of user space: packed on x86-64 alone (include/uapi/linux/eventpoll.h). */
struct netpoll_epoll_event {
  __u32 events;
#if !defined(__x86_64__) && !defined(__TARGET_ARCH_x86)
  __u32 padding;
#endif
  __u64 data;
}
#if defined(__x86_64__) || defined(__TARGET_ARCH_x86)
__attribute__((packed))
#endif
;

struct netpoll_stream_few {
  struct netpoll_stream_event event;
  struct netpoll_epoll_event ready[NETPOLL_STREAM_FEW];
};

struct netpoll_stream_many {
  struct netpoll_stream_event event;
  struct netpoll_epoll_event ready[NETPOLL_STREAM_MANY];
};

/* Of each CPU. */
struct netpoll_stream_cpu {
  __u64 dropped; /* found no room */
  __u64 compat;  /* calls of the 32-bit interface, of which nothing is known but that they were */
  __u64 written;
  __u64 unused[5]; /* a cache line */
};

#endif
