/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * syscall_stream.h: what syscall_stream.bpf.c (kernel) and ebpf_stream.cc (user) share. C and C++ read it.
 */
#ifndef PROBES_BPF_SYSCALL_STREAM_H
#define PROBES_BPF_SYSCALL_STREAM_H

#include <linux/types.h>

/* System call numbers below this are looked up. */
#define NETPOLL_STREAM_MAX_NR 512

/* What the kernel half has to know of a call, by number: the row of its name, and what to look at. */
struct netpoll_stream_call {
  __u8 row; /* of stream_calls(), + 1; 0: not in the stream */
  __u8 job; /* enum netpoll_stream_job */
};

enum netpoll_stream_job {
  NETPOLL_JOB_NONE,
  NETPOLL_JOB_WAIT,    /* the events that it returned */
  NETPOLL_JOB_CTL,     /* the event that it was given */
  NETPOLL_JOB_ACCEPT,  /* the address that it returned */
  NETPOLL_JOB_CONNECT, /* the address that it was given */
};

enum netpoll_stream_kind {
  NETPOLL_STREAM_CALL,       /* at its return */
  NETPOLL_STREAM_UNFINISHED, /* a call in which its thread ended */
  NETPOLL_STREAM_MORE,       /* more of the events that the last call of the thread returned */
  NETPOLL_STREAM_USDT,
  NETPOLL_STREAM_EXEC,
  NETPOLL_STREAM_FORK, /* args[0]: the child */
  NETPOLL_STREAM_EXIT,
};

#define NETPOLL_STREAM_ARGS 5

struct netpoll_stream_event {
  __u64 time_ns;
  __u64 start_ns; /* of a call; 0: its start was not seen */
  __u32 dropped;  /* events that this CPU has dropped so far, its low 32 bits */
  __u16 cpu;
  __u8 kind; /* enum netpoll_stream_kind */
  __u8 row;  /* of a call: that of stream_calls(); of a tracepoint: that of tracepoints.def */
  __u32 tgid;
  __u32 tid;
  __s64 result;
  __u64 args[NETPOLL_STREAM_ARGS]; /* CTL: args[3] and args[4] are events and data of its event */
  __u64 goid;                      /* Go: 0: the scheduler's own, or not known */
  __u64 labels;                    /* Go: g.labels */
  __u16 count;                     /* of epoll_events, or bytes of an address, that follow */
  __u16 skipped;                   /* epoll_events that are in no record */
  __u32 unused;
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

#define NETPOLL_MAX_GO_PROGRAMS 4096

/* How the current goroutine of a program's threads is found. */
struct netpoll_go_program {
  __s32 g_offset;      /* x86: of the word with the g, from fs */
  __u32 goid_offset;   /* in the g */
  __u32 labels_offset; /* in the g; 0: none */
};

/* Where a USDT probe has an argument. */
enum netpoll_usdt_place {
  NETPOLL_USDT_NONE,
  NETPOLL_USDT_CONST,  /* value */
  NETPOLL_USDT_REG,    /* the register at reg_offset of pt_regs */
  NETPOLL_USDT_MEMORY, /* user memory at that register + value */
};

struct netpoll_usdt_arg {
  __s64 value;
  __u16 place; /* enum netpoll_usdt_place */
  __u16 reg_offset;
  __u8 size; /* of it, in bytes */
  __u8 is_signed;
  __u8 unused[2];
};

#define NETPOLL_MAX_USDT_SITES 512

struct netpoll_usdt_site {
  __u32 row; /* of tracepoints.def */
  __u32 argc;
  struct netpoll_usdt_arg args[NETPOLL_STREAM_ARGS];
};

#endif
