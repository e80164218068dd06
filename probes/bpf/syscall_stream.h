/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * syscall_stream.h: what syscall_stream.bpf.c (kernel) and ebpf_stream.cc (user) share, beside the events. C and C++
 * read it.
 */
#ifndef PROBES_BPF_SYSCALL_STREAM_H
#define PROBES_BPF_SYSCALL_STREAM_H

#include <linux/types.h>

#include "probes/stream/raw_event.h"

/*
 * netpoll_thread.call of the stream: the row of the call that the thread is in, + 1, alone or beside one of these and
 * NETPOLL_BEFORE.
 */
#define NETPOLL_STREAM_ROW 0xffu
#define NETPOLL_STREAM_RESTARTS 0x40000000u /* ended in ERESTART_RESTARTBLOCK; restart_syscall goes on with it */
#define NETPOLL_STREAM_TOLD 0x20000000u     /* it is among the unfinished calls already */

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

/* Operations of io_uring under way at a time, of all targets; of more the beginning is not known. */
#define NETPOLL_MAX_URING_OPS 262144

struct netpoll_uring_op {
  __u64 start_ns;
  __u64 user_data;
  __u32 tgid;
  __u32 tid;
  __s32 fd; /* what the submission said, of an operation that is about a descriptor */
  __u8 opcode;
  __u8 fixed; /* fd is the number of a registered file */
  __u8 unused[2];
};

struct netpoll_uring_name {
  __u64 ring; /* address of the kernel's record */
  __u64 user_data;
};

#define NETPOLL_MAX_USDT_SITES 512

struct netpoll_usdt_site {
  __u32 row; /* of tracepoints.def */
  __u32 argc;
  struct netpoll_usdt_arg args[NETPOLL_STREAM_ARGS];
};

#endif
