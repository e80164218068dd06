/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * syscall_counts.h: what syscall_counts.bpf.c (kernel) and ebpf_source.cc (user) share. C and C++ read it.
 */
#ifndef PROBES_BPF_SYSCALL_COUNTS_H
#define PROBES_BPF_SYSCALL_COUNTS_H

#include <linux/types.h>

/* One value per row of syscalls.def, in its order. */
enum netpoll_call {
#define NETPOLL_SYSCALL(name, class_) NETPOLL_CALL_##name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
  NETPOLL_CALLS
};

/* One value per row of socket_calls.def, in its order. */
enum netpoll_socket_call {
#define NETPOLL_SOCKET_CALL(name, kind) NETPOLL_SOCKET_CALL_##name,
#include "probes/socket_calls.def"
#undef NETPOLL_SOCKET_CALL
  NETPOLL_SOCKET_CALLS
};

/* System call numbers below this are looked up; the highest of Linux 6.18 is 470. */
#define NETPOLL_MAX_NR 512
/* The calls that wait for events come first in syscalls.def. */
#define NETPOLL_WAITS (NETPOLL_CALL_pselect6 + 1)
/*
 * Four buckets per octave of nanoseconds: the time t of the octave 2^e, e > 1, is in 4 * (e - 1) + the two bits below
 * its highest; less than 4 ns are in the bucket of their number. The last is open.
 */
#define NETPOLL_BUCKETS 192
/* By events that a wait returned: 0, 1, 2..3, 4..7, ...; the last is open. */
#define NETPOLL_EVENT_BUCKETS 16
/* Room for tracepoints.def to grow. */
#define NETPOLL_MAX_TRACEPOINTS 32

/*
 * Errors a system call can end with have two ranges: errno values of user space (0..133 today), and the kernel's own
 * 512..543, such as ERESTARTSYS, which a tracer sees although the program does not. Slots hold both without the gap.
 */
#define NETPOLL_USER_ERRNOS 144
#define NETPOLL_KERNEL_ERRNO_BASE 512
#define NETPOLL_KERNEL_ERRNOS 32
#define NETPOLL_ERRNO_SLOTS (NETPOLL_USER_ERRNOS + NETPOLL_KERNEL_ERRNOS)

/* Operations of io_uring by number; the last counts what is beyond. */
#define NETPOLL_URING_OPS 80

struct netpoll_call_counts {
  __u64 count;
  __u64 total_ns;  /* of calls that began and returned while we were attached */
  __u64 before_ns; /* of calls that had begun before, from then on */
  __u64 blocked;   /* of those in total_ns: calls in which the thread slept, and their time */
  __u64 blocked_ns;
  __u64 result; /* sum of the results that are no errors: bytes, events, or nothing of use */
  __u64 errors[NETPOLL_ERRNO_SLOTS];
  __u64 latency[NETPOLL_BUCKETS];
};

/* What a wait was asked for. */
enum netpoll_timeout {
  NETPOLL_TIMEOUT_UNKNOWN,
  NETPOLL_TIMEOUT_ZERO,
  NETPOLL_TIMEOUT_TIMED,
  NETPOLL_TIMEOUT_FOREVER,
  NETPOLL_TIMEOUTS
};

struct netpoll_wait_counts {
  __u64 asked[NETPOLL_TIMEOUTS];
  __u64 timed_out;                         /* returned nothing although NETPOLL_TIMEOUT_TIMED */
  __u64 per_return[NETPOLL_EVENT_BUCKETS]; /* calls */
};

/*
 * One element of the map `counters` per account and CPU: that of account a on CPU c is a * CPUs + c. An ordinary array,
 * not a per-CPU map: user space maps it into memory and reads without a system call, and the lookup is inlined by every
 * kernel.
 */
struct netpoll_cpu_counts {
  struct netpoll_call_counts calls[NETPOLL_CALLS];
  __u64 ctl[4]; /* by operation: EPOLL_CTL_ADD 1, DEL 2, MOD 3 */
  struct netpoll_wait_counts waits[NETPOLL_WAITS];
  __u64 socket_calls[NETPOLL_SOCKET_CALLS];
  __u64 uring_ops[NETPOLL_URING_OPS];
  __u64 tracepoints[NETPOLL_MAX_TRACEPOINTS];
  __u64 spurious;     /* first calls for data after a wait that brought events, and EAGAIN */
  __u64 compat_calls; /* of the 32-bit interface: all of them, not told apart */
  __u64 dropped;      /* threads and processes that found no room in a table, errors out of range */
};

/* Bounds of the tables in ids.bpf.h, and what their slots contain where no id does. */
#define NETPOLL_MAX_SLOTS 65536
#define NETPOLL_OVERFLOW_SLOTS 16384
#define NETPOLL_VIRGIN 0
#define NETPOLL_VACATED 0xffffffffu

/*
 * Counts are kept in accounts. 0 is that of the only target, or of those for whom there is no account of their own;
 * 1 and up belong to one target each, and to its descendants where they are followed.
 */
#define NETPOLL_NO_TARGET 0xffffffffu

struct netpoll_thread {
  __u32 tid;      /* owner of the slot */
  __u32 call;     /* the counted call it is in, as enum netpoll_call + 1; 0: none, or its start was not seen */
  __u64 start_ns; /* of that call; beside NETPOLL_BEFORE: the thread's context switches when it was marked */
  __u32 sleeps;   /* how often the thread had slept when the call began, in 32 bits */
  __u32 timeout;  /* of ppoll, select and pselect6, whose argument the kernel overwrites: enum netpoll_timeout */
  __u32 woken;    /* 1: its last wait of epoll brought events, and it has not called for data since */
  __u32 unused;
};

/* Calls apart by who made them; which members of the key are set says enum netpoll_group. */
enum netpoll_group {
  NETPOLL_GROUP_NOTHING,
  NETPOLL_GROUP_PROCESS, /* tgid */
  NETPOLL_GROUP_THREAD,  /* tgid, id: tid */
  NETPOLL_GROUP_FD,      /* tgid, id: descriptor, and the inode above it */
  NETPOLL_GROUP_CGROUP,  /* id: of the cgroup */
};
#define NETPOLL_MAX_GROUPS 65536
#define NETPOLL_MAX_CGROUPS 8

struct netpoll_group_key {
  __u64 id;
  __u32 tgid;
  __u32 call;
};

struct netpoll_group_counts {
  __u64 count;
  __u64 errors;
  __u64 again;
  __u64 result;
  __u64 total_ns;
  __u32 ns_pid; /* in pidns_ino; 0: unknown */
  __u32 ns_tid;
  char comm[16];
};

/* Marks, in call_of_nr of the kernel half, rows of socket_calls.def: those that are always counted, or of sockets. */
#define NETPOLL_SOCKET_ALWAYS 0x80
#define NETPOLL_SOCKET_FD 0xc0
#define NETPOLL_SOCKET_ROW 0x3f

/* Marks, in netpoll_thread.call, a call that had begun before we attached. Alone: one of the 32-bit interface. */
#define NETPOLL_BEFORE 0x80000000u

/*
 * A call that ended in ERESTART_RESTARTBLOCK, as SIGSTOP does to a sleep: once the thread goes on, the kernel enters
 * restart_syscall for it, and the program has made one call. Until then it is in the books as one that returned.
 */
struct netpoll_restart {
  __u64 start_ns; /* 0: not known */
  __u64 end_ns;
  __u32 call; /* as in netpoll_thread, like the next two */
  __u32 sleeps;
  __u32 timeout;
  __u32 slept; /* 1: it was counted as a call in which the thread slept */
};

/* What is to be taken from the books again, because such calls went on. */
struct netpoll_undone {
  __u64 count; /* and as many ERESTART_RESTARTBLOCK */
  __u64 total_ns;
  __u64 before_ns;
  __u64 blocked;
  __u64 blocked_ns;
  __u64 latency[NETPOLL_BUCKETS];
};

/* Calls of one kind that targets sleep in. */
struct netpoll_in_flight {
  __u64 count;
  __u64 before; /* of them: had begun before we attached */
  __u64 ns;     /* of all of them, since they began or we attached; those whose start is not known are left out */
  __u64 longest_ns;
};

/* One element of the map `accounts`: what of an account is not kept by CPU. */
struct netpoll_account {
  struct netpoll_undone undone[NETPOLL_CALLS];
  struct netpoll_in_flight in_flight[NETPOLL_CALLS]; /* user space clears it before NETPOLL_TASKS_IN_FLIGHT */
  __u64 live_processes;                              /* and this */
};

enum netpoll_task_job {
  NETPOLL_TASKS_RESOLVE,   /* found_tgid = the process in the initial pid namespace */
  NETPOLL_TASKS_ADOPT,     /* make the children of targets targets; adopted = how many became one */
  NETPOLL_TASKS_MARK,      /* mark the calls that targets sleep in */
  NETPOLL_TASKS_CHECK,     /* remove the marks of threads that have run since */
  NETPOLL_TASKS_IN_FLIGHT, /* count the targets, and the calls that they sleep in; of a stream: write down the calls */
};

#endif
