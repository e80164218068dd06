/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * syscall_counts: counts, times and errors of the system calls in syscalls.def, of one process and, on wish, of the
 * processes it forks; and the hits of libruntime's USDT probes.
 *
 * Calls are counted when they return, because that is where their error is known, and one program per call costs about
 * two thirds of two. Calls that have not returned are found by looking (netpoll_tasks): those that were already running
 * when we attached are not ours, those that still run when user space reads are. The program at the entry only takes
 * the time, and is loaded only when times are wanted.
 *
 * Every system call of the machine passes through these two while they are attached, so they first ask whether the
 * caller is a target; and they call one helper where they can, since with today's mitigations a call and its return
 * cost more than the rest of such a program. Rejected: one tracepoint per system call. It spares other processes a
 * little, but costs the target twice as much per counted call, and needs forty links, each slow to detach.
 */
#include "probes/bpf/kernel_types.bpf.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "probes/bpf/ids.bpf.h"
#include "probes/bpf/syscall_counts.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Fixed before loading: the verifier removes what a run does not ask for. */
const volatile bool measure_latency = true;
/* System call number -> enum netpoll_call + 1; 0: not counted. */
const volatile __u8 call_of_nr[NETPOLL_MAX_NR] = {};

/* While set, marks are removed as calls return, but nothing is counted. */
__u32 paused = 0;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* raised to the number of possible CPUs before loading */
  __type(key, __u32);
  __type(value, struct netpoll_cpu_counts);
} counters SEC(".maps");

/*
 * A tracing program runs at most once at a time on a CPU (the kernel skips a nested run and counts it as a recursion
 * miss, which user space reads as loss), and each counter but `dropped` belongs to one program. So plain additions are
 * exact.
 */
static __always_inline struct netpoll_cpu_counts* cpu_counts(void) {
  __u32 cpu = bpf_get_smp_processor_id();
  return bpf_map_lookup_elem(&counters, &cpu);
}

static __always_inline void count_drop(void) {
  struct netpoll_cpu_counts* counts = cpu_counts();
  if (counts) __sync_fetch_and_add(&counts->dropped, 1);
}

/*
 * Asks again what is known about a number that is about to index memory. The verifier of Linux 6.1 forgets it about a
 * number that was put on the stack before it was compared, and about the 32-bit copy of one; hence the 64 bits. The
 * empty asm keeps the compiler from dropping the question.
 */
#define STILL_BELOW(number, limit)                                         \
  ({                                                                       \
    _Static_assert(sizeof(number) == 8, "a 32-bit copy loses its bounds"); \
    asm volatile("" : "+r"(number));                                       \
    (number) < (limit);                                                    \
  })

/* enum netpoll_call + 1; 0: not counted. */
static __always_inline __u32 counted_call(long nr) { return (unsigned long)nr < NETPOLL_MAX_NR ? call_of_nr[nr] : 0; }

SEC("tp_btf/sys_enter")
int BPF_PROG(netpoll_enter, struct pt_regs* regs, long nr) {
  struct task_struct* task = bpf_get_current_task_btf();
  if (!is_target(task->tgid)) return 0;
  __u32 call = counted_call(nr);
  if (call == 0) return 0;
  struct netpoll_thread* thread = find_or_claim_thread(task->pid);
  if (!thread) {
    count_drop();
    return 0;
  }
  thread->call = call;
  thread->start_ns = bpf_ktime_get_ns();
  return 0;
}

static __always_inline __u32 log2_floor(__u64 value) {
  __u32 bits = 0;
  if (value >> 32) value >>= 32, bits += 32;
  if (value >> 16) value >>= 16, bits += 16;
  if (value >> 8) value >>= 8, bits += 8;
  if (value >> 4) value >>= 4, bits += 4;
  if (value >> 2) value >>= 2, bits += 2;
  return bits + (value >> 1);
}

static __always_inline void count_error(struct netpoll_cpu_counts* counts, struct netpoll_call_counts* mine,
                                        long error) {
  if (error >= NETPOLL_KERNEL_ERRNO_BASE) error -= NETPOLL_KERNEL_ERRNO_BASE - NETPOLL_USER_ERRNOS;
  if (error < 0 || error >= NETPOLL_ERRNO_SLOTS) {
    __sync_fetch_and_add(&counts->dropped, 1);
    return;
  }
  mine->errors[error]++;
}

/* True when a wait that returned nothing had been asked to wait for some time. */
static __always_inline bool asked_to_wait(__u32 call, struct pt_regs* regs) {
  if (call != NETPOLL_CALL_epoll_pwait2) return (int)SYSCALL_ARG4(regs) > 0;
  struct {
    long long seconds, nanoseconds;
  } timeout = {};
  const void* user = (const void*)SYSCALL_ARG4(regs);
  return user && bpf_probe_read_user(&timeout, sizeof(timeout), user) == 0 && (timeout.seconds || timeout.nanoseconds);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(netpoll_leave, struct pt_regs* regs, long result) {
  struct task_struct* task = bpf_get_current_task_btf();
  if (!is_target(task->tgid)) return 0;
  /* Numbers of the 32-bit interface mean other calls, so none of them is looked up. */
  bool compat = in_compat_syscall(task);
  __u64 call = (__u64)counted_call(SYSCALL_NR(regs)) - 1;
  if (call >= NETPOLL_CALLS && !compat) return 0;

  struct netpoll_thread* thread = find_thread(task->pid);
  bool timed = false;
  if (thread) {
    bool marked = thread->call == NETPOLL_NOT_OURS;
    timed = thread->call == call + 1;
    thread->call = 0;
    if (marked) return 0;
  }
  if (paused) return 0;
  struct netpoll_cpu_counts* counts = cpu_counts();
  if (!counts) return 0;
  if (compat) {
    counts->compat_calls++;
    return 0;
  }

  if (!STILL_BELOW(call, NETPOLL_CALLS)) return 0;
  struct netpoll_call_counts* mine = &counts->calls[call];
  mine->count++;
  if (measure_latency && timed) {
    __u64 ns = bpf_ktime_get_ns() - thread->start_ns;
    mine->total_ns += ns;
    mine->latency[log2_floor(ns) & (NETPOLL_BUCKETS - 1)]++;
  }
  if (call == NETPOLL_CALL_epoll_ctl) counts->ctl[SYSCALL_ARG2(regs) & 3]++;
  if (result < 0) {
    count_error(counts, mine, -result);
  } else if (STILL_BELOW(call, NETPOLL_WAITS)) {
    struct netpoll_wait_counts* wait = &counts->waits[call];
    wait->events += result;
    if (result == 0) {
      wait->empty++;
      if (asked_to_wait(call, regs)) wait->timeouts++;
    }
  }
  return 0;
}

/* A held child: what it did between fork and exec was ours, what follows is the program's. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(netpoll_exec, struct task_struct* task) {
  __u32 tgid = task->tgid;
  if (held_tgid != 0 && tgid == held_tgid) {
    root_tgid = tgid;
    held_tgid = 0;
  }
  return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(netpoll_fork, struct task_struct* parent, struct task_struct* child) {
  __u32 parent_tgid = parent->tgid, tgid = child->tgid;
  if (tgid == parent_tgid || !is_target(parent_tgid)) return 0;
  if (!add_target(tgid)) count_drop();
  return 0;
}

/* Runs once per thread. Ids are reused only after it, so the tables never take a newcomer for the departed. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(netpoll_exit, struct task_struct* task) {
  __u32 tgid = task->tgid;
  if (!is_target(tgid)) return 0;
  forget_thread(task->pid);
  if (task->signal->live.counter == 0) forget_target(tgid);
  return 0;
}

/* What netpoll_tasks is to do, and its answers. */
__u32 task_job = 0;
__u32 found_tgid = 0;
__u64 in_flight[NETPOLL_CALLS] = {};

/*
 * Looks at the threads of the process that user space names when it starts the walk, or at all threads. Whether a
 * thread that runs is inside a call, or on which side of its boundary, nobody can tell from outside; one that sleeps in
 * a call is seen exactly, and that is the one that matters, because it may sleep for hours.
 */
SEC("iter/task")
int netpoll_tasks(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (!task) return 0;
  if (task_job == NETPOLL_TASKS_RESOLVE) {
    found_tgid = task->tgid;
    return 0;
  }
  if (!is_target(task->tgid)) return 0;

  __u32 tid = task->pid;
  __u64 switches = task->nvcsw + task->nivcsw;
  if (task_job == NETPOLL_TASKS_CHECK) {
    /* It ran after it was marked: the call may have returned before the mark was there to be removed. */
    struct netpoll_thread* marked = find_thread(tid);
    if (marked && marked->call == NETPOLL_NOT_OURS && marked->start_ns != switches) marked->call = 0;
    return 0;
  }
  if (!sleeps(task)) return 0;
  struct pt_regs* regs = (struct pt_regs*)bpf_task_pt_regs(task);
  __u32 call = counted_call(SYSCALL_NR(regs)) - 1;
  bool compat = in_compat_syscall(task);
  if (call >= NETPOLL_CALLS && !compat) return 0;
  if (task_job == NETPOLL_TASKS_MARK) {
    struct netpoll_thread* thread = find_or_claim_thread(tid);
    if (!thread) {
      count_drop();
      return 0;
    }
    thread->start_ns = switches;
    thread->call = NETPOLL_NOT_OURS;
  } else if (task_job == NETPOLL_TASKS_IN_FLIGHT && !compat && call < NETPOLL_CALLS) {
    struct netpoll_thread* thread = find_thread(tid);
    if (!thread || thread->call != NETPOLL_NOT_OURS) in_flight[call]++;
  }
  return 0;
}

/*
 * A USDT probe of libruntime; the attach cookie is its row in tracepoints.def. uprobe programs may preempt each other
 * on a CPU, hence the atomic addition.
 */
SEC("uprobe")
int netpoll_usdt(void* ctx) {
  if (!is_target(bpf_get_current_pid_tgid() >> 32)) return 0;
  __u64 row = bpf_get_attach_cookie(ctx);
  struct netpoll_cpu_counts* counts = cpu_counts();
  if (!counts || row >= NETPOLL_MAX_TRACEPOINTS) return 0;
  __sync_fetch_and_add(&counts->tracepoints[row], 1);
  return 0;
}
