/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * syscall_counts: counts, times and errors of the system calls in syscalls.def, of one process or of several, and,
 * where that is asked for, of their descendants; and the hits of libruntime's USDT probes.
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
/* Elements of `counters` per account. */
const volatile __u32 cpus = 1;
/* Accounts beside the first; without any, nothing is computed but the number of the CPU. */
const volatile __u32 own_accounts = 0;
/* System call number -> enum netpoll_call + 1, or NETPOLL_SOCKET_* and enum netpoll_socket_call; 0: not counted. */
const volatile __u8 call_of_nr[NETPOLL_MAX_NR] = {};

/* enum netpoll_group, and how many cgroups are targets, in which case nobody else is. */
const volatile __u32 group_by = 0;
/* Device and inode of our pid namespace, unless that is the initial one: of what is in it, its own number is told. */
const volatile __u64 pidns_dev = 0;
const volatile __u64 pidns_ino = 0;

/* While set, marks are removed as calls return, but nothing is counted. */
__u32 paused = 0;
/* When the calls that had begun before us were looked for; our clock may be that of another time namespace. */
__u64 begin_ns = 0;
/* Of targets, while children are not followed. */
__u32 leave_forks = 0;
__u64 forks_left = 0;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* (1 + own_accounts) * cpus */
  __type(key, __u32);
  __type(value, struct netpoll_cpu_counts);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* 1 + own_accounts */
  __type(key, __u32);
  __type(value, struct netpoll_account);
} accounts SEC(".maps");

/*
 * A tracing program runs at most once at a time on a CPU (the kernel skips a nested run and counts it as a recursion
 * miss, which user space reads as loss), and each counter but `dropped` belongs to one program. So plain additions are
 * exact.
 */
static __always_inline struct netpoll_cpu_counts* cpu_counts(__u32 account) {
  __u32 element = bpf_get_smp_processor_id();
  if (own_accounts) element += account * cpus;
  return bpf_map_lookup_elem(&counters, &element);
}

static __always_inline void count_drop(__u32 account) {
  struct netpoll_cpu_counts* counts = cpu_counts(account);
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

/* enum netpoll_call + 1; anything else: not counted. */
static __always_inline __u32 counted_call(long nr) { return (unsigned long)nr < NETPOLL_MAX_NR ? call_of_nr[nr] : 0; }

/* Below 2^63. Without branches, each of which would double what the verifier has to walk through. */
static __always_inline __u64 log2_floor(__u64 value) {
  __u64 bits = 0, step;
#define HALVE(exponent)                                                  \
  step = ((1ull << (1u << (exponent))) - 1 - value) >> 63 << (exponent); \
  value >>= step;                                                        \
  bits += step
  HALVE(5);
  HALVE(4);
  HALVE(3);
  HALVE(2);
  HALVE(1);
  HALVE(0);
#undef HALVE
  return bits;
}

static __always_inline __u64 bucket_of(__u64 ns) {
  if (ns < 4) return ns;
  const __u64 octave = log2_floor(ns);
  const __u64 bucket = (octave - 1) * 4 + ((ns >> (octave - 2)) & 3);
  return bucket < NETPOLL_BUCKETS ? bucket : NETPOLL_BUCKETS - 1;
}

/* By tid. Rare, so that it need not be fast. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, NETPOLL_OVERFLOW_SLOTS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u32);
  __type(value, struct netpoll_restart);
} restarts SEC(".maps");

/* The thread's call ended in ERESTART_RESTARTBLOCK. */
static __noinline int expect_restart(__u32 tid, const struct netpoll_restart* restart, __u32 account) {
  if (!restart) return 0;
  struct netpoll_restart fresh = *restart;
  if (bpf_map_update_elem(&restarts, &tid, &fresh, BPF_ANY) != 0) count_drop(account);
  return 0;
}

/* restart_syscall is entered: the call that it goes on with has not returned after all. */
static __noinline int reopen_call(__u32 tid, __u32 account) {
  struct netpoll_restart* restart = bpf_map_lookup_elem(&restarts, &tid);
  struct netpoll_account* books = bpf_map_lookup_elem(&accounts, &account);
  if (!restart || !books) return 0;
  struct netpoll_thread* thread = find_or_claim_thread(tid);
  if (!thread) {
    count_drop(account);
    return 0;
  }
  __u32 word = restart->call;
  __u64 start_ns = restart->start_ns, ns = restart->end_ns - start_ns;
  __u64 call = (__u64)(word & ~NETPOLL_BEFORE) - 1;
  if (STILL_BELOW(call, NETPOLL_CALLS)) {
    struct netpoll_undone* mine = &books->undone[call];
    if (word & NETPOLL_BEFORE) {
      __sync_fetch_and_add(&mine->before_ns, ns);
    } else {
      __sync_fetch_and_add(&mine->count, 1);
      if (start_ns) {
        __sync_fetch_and_add(&mine->total_ns, ns);
        __u64 bucket = bucket_of(ns);
        if (STILL_BELOW(bucket, NETPOLL_BUCKETS)) __sync_fetch_and_add(&mine->latency[bucket], 1);
        if (restart->slept) {
          __sync_fetch_and_add(&mine->blocked, 1);
          __sync_fetch_and_add(&mine->blocked_ns, ns);
        }
      }
    }
    thread->start_ns = start_ns;
    thread->sleeps = restart->sleeps;
    thread->timeout = restart->timeout;
    thread->call = word;
  }
  bpf_map_delete_elem(&restarts, &tid);
  return 0;
}

/* The time that a pointer points to, as two longs: seconds, and some fraction. Null waits for ever. */
static __always_inline __u32 timeout_at(unsigned long pointer) {
  long time[2] = {};
  if (!pointer) return NETPOLL_TIMEOUT_FOREVER;
  if (bpf_probe_read_user(time, sizeof(time), (const void*)pointer) != 0) return NETPOLL_TIMEOUT_UNKNOWN;
  return time[0] || time[1] ? NETPOLL_TIMEOUT_TIMED : NETPOLL_TIMEOUT_ZERO;
}

static __always_inline __u32 timeout_of_ms(int ms) {
  return ms > 0 ? NETPOLL_TIMEOUT_TIMED : ms == 0 ? NETPOLL_TIMEOUT_ZERO : NETPOLL_TIMEOUT_FOREVER;
}

/* ppoll, select and pselect6 write what is left of the time over it. */
static __always_inline bool overwrites_timeout(__u64 call) {
  return call == NETPOLL_CALL_ppoll || call == NETPOLL_CALL_select || call == NETPOLL_CALL_pselect6;
}

/* At the exit, of the others. */
static __always_inline __u32 timeout_of(__u64 call, struct pt_regs* regs) {
  if (call == NETPOLL_CALL_epoll_pwait2) return timeout_at(SYSCALL_ARG4(regs));
  if (call == NETPOLL_CALL_poll) return timeout_of_ms((int)SYSCALL_ARG3(regs));
  return timeout_of_ms((int)SYSCALL_ARG4(regs));
}

SEC("tp_btf/sys_enter")
int BPF_PROG(netpoll_enter, struct pt_regs* regs, long nr) {
  struct task_struct* task = bpf_get_current_task_btf();
  __u32 account = account_of_current(task);
  if (account == NETPOLL_NO_TARGET) return 0;
  __u32 call = counted_call(nr);
  if (call - 1 >= NETPOLL_CALLS) {
    if (nr == NR_restart_syscall && !in_compat_syscall(task)) reopen_call(task->pid, account);
    return 0;
  }
  struct netpoll_thread* thread = find_or_claim_thread(task->pid);
  if (!thread) {
    count_drop(account);
    return 0;
  }
  if (overwrites_timeout(call - 1)) {
    const bool third = call - 1 == NETPOLL_CALL_ppoll;
    thread->timeout = timeout_at(third ? SYSCALL_ARG3(regs) : SYSCALL_ARG5(regs));
  }
  thread->call = call;
  thread->sleeps = (__u32)task->nvcsw;
  thread->start_ns = bpf_ktime_get_ns();
  return 0;
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

static __always_inline void count_wait(struct netpoll_wait_counts* wait, __u32 timeout, long result) {
  wait->asked[timeout & (NETPOLL_TIMEOUTS - 1)]++;
  if (result < 0) return;
  __u64 bucket = result == 0 ? 0 : log2_floor(result) + 1;
  if (bucket >= NETPOLL_EVENT_BUCKETS) bucket = NETPOLL_EVENT_BUCKETS - 1;
  if (STILL_BELOW(bucket, NETPOLL_EVENT_BUCKETS)) wait->per_return[bucket]++;
  if (result == 0 && timeout == NETPOLL_TIMEOUT_TIMED) wait->timed_out++;
}

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, NETPOLL_MAX_GROUPS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct netpoll_group_key);
  __type(value, struct netpoll_group_counts);
} groups SEC(".maps");

/* The inode behind a descriptor of the current task; NULL: none. */
static __always_inline struct inode* inode_of(struct task_struct* task, unsigned int fd) {
  struct files_struct* files = NULL;
  struct fdtable* table = NULL;
  struct file **array = NULL, *file = NULL;
  struct inode* inode = NULL;
  unsigned int max_fds = 0;
  READ_KERNEL(files, task->files);
  READ_KERNEL(table, files->fdt);
  READ_KERNEL(max_fds, table->max_fds);
  if (fd >= max_fds) return NULL;
  READ_KERNEL(array, table->fd);
  READ_KERNEL(file, array[fd]);
  READ_KERNEL(inode, file->f_inode);
  return inode;
}

/* S_IFSOCK. */
static __always_inline bool is_socket(struct task_struct* task, unsigned int fd) {
  struct inode* inode = inode_of(task, fd);
  unsigned short mode = 0;
  READ_KERNEL(mode, inode->i_mode);
  return (mode & 0170000) == 0140000;
}

/* Between read and connect, but for close, which leaves no file to look at. */
static __always_inline bool is_for_data(__u64 call) {
  return call >= NETPOLL_CALL_read && call <= NETPOLL_CALL_connect;
}

static __noinline int count_group(struct pt_regs* regs, __u64 call, long result, __u64 ns, __u32 account) {
  struct task_struct* task = bpf_get_current_task_btf();
  struct netpoll_group_key key = {.call = (__u32)call};
  if (group_by == NETPOLL_GROUP_CGROUP) {
    key.id = bpf_get_current_cgroup_id();
  } else {
    key.tgid = task->tgid;
  }
  if (group_by == NETPOLL_GROUP_THREAD) key.id = task->pid;
  if (group_by == NETPOLL_GROUP_FD) {
    unsigned long fd = 0, number = 0;
    if (!is_for_data(call) && call > NETPOLL_CALL_epoll_pwait2) return 0;
    READ_KERNEL(fd, SYSCALL_ARG1(regs));
    struct inode* inode = inode_of(task, (unsigned int)fd);
    READ_KERNEL(number, inode->i_ino);
    key.id = number << 32 | (__u32)fd;
  }
  struct netpoll_group_counts* mine = bpf_map_lookup_elem(&groups, &key);
  if (!mine) {
    struct netpoll_group_counts fresh = {};
    bpf_get_current_comm(fresh.comm, sizeof(fresh.comm));
    struct bpf_pidns_info ours = {};
    if (pidns_ino && bpf_get_ns_current_pid_tgid(pidns_dev, pidns_ino, &ours, sizeof(ours)) == 0) {
      fresh.ns_pid = ours.tgid;
      fresh.ns_tid = ours.pid;
    }
    bpf_map_update_elem(&groups, &key, &fresh, BPF_NOEXIST);
    mine = bpf_map_lookup_elem(&groups, &key);
  }
  if (!mine) {
    count_drop(account);
    return 0;
  }
  __sync_fetch_and_add(&mine->count, 1);
  __sync_fetch_and_add(&mine->total_ns, ns);
  if (result >= 0) {
    __sync_fetch_and_add(&mine->result, result);
  } else {
    __sync_fetch_and_add(&mine->errors, 1);
    if (result == -EAGAIN) __sync_fetch_and_add(&mine->again, 1);
  }
  return 0;
}

/* A call beside the table. */
static __noinline int count_socket_call(struct pt_regs* regs, __u32 word, __u32 account) {
  struct task_struct* task = bpf_get_current_task_btf();
  __u64 row = word & NETPOLL_SOCKET_ROW;
  unsigned long fd = 0;
  READ_KERNEL(fd, SYSCALL_ARG1(regs));
  if ((word & NETPOLL_SOCKET_FD) == NETPOLL_SOCKET_FD && !is_socket(task, (unsigned int)fd)) return 0;
  struct netpoll_cpu_counts* counts = cpu_counts(account);
  if (counts && STILL_BELOW(row, NETPOLL_SOCKET_CALLS)) counts->socket_calls[row]++;
  return 0;
}

/* A call that had begun before we attached is left: not counted, but its time since then is. */
static __noinline int leave_before(__u32 tid, __u64 call, long result, __u32 account) {
  __u64 start_ns = 0, now = 0;
  if (measure_latency && !paused) {
    struct netpoll_cpu_counts* counts = cpu_counts(account);
    start_ns = begin_ns;
    now = bpf_ktime_get_ns();
    if (counts && STILL_BELOW(call, NETPOLL_CALLS)) counts->calls[call].before_ns += now - start_ns;
  }
  if (result == -ERESTART_RESTARTBLOCK) {
    struct netpoll_restart restart = {.start_ns = start_ns, .end_ns = now, .call = NETPOLL_BEFORE | ((__u32)call + 1)};
    expect_restart(tid, &restart, account);
  }
  return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(netpoll_leave, struct pt_regs* regs, long result) {
  struct task_struct* task = bpf_get_current_task_btf();
  __u32 account = account_of_current(task);
  if (account == NETPOLL_NO_TARGET) return 0;
  /* Numbers of the 32-bit interface mean other calls, so none of them is looked up. */
  bool compat = in_compat_syscall(task);
  long nr = SYSCALL_NR(regs);
  __u32 table_word = counted_call(nr);
  __u64 call = (__u64)table_word - 1;
  bool restarted = nr == NR_restart_syscall && !compat;
  if (call >= NETPOLL_CALLS && !compat && !restarted) {
    if (table_word && !paused) count_socket_call(regs, table_word, account);
    /* What is restarted next is not ours. */
    __u32 tid = task->pid;
    if (result == -ERESTART_RESTARTBLOCK) bpf_map_delete_elem(&restarts, &tid);
    return 0;
  }

  if (restarted && !measure_latency) reopen_call(task->pid, account); /* else netpoll_enter has done it */
  struct netpoll_thread* thread = find_thread(task->pid);
  __u64 start_ns = 0;
  __u32 word = 0, sleeps = 0, timeout = 0;
  if (thread) {
    word = thread->call;
    start_ns = thread->start_ns;
    sleeps = thread->sleeps;
    timeout = thread->timeout;
    thread->call = 0;
  }
  if (restarted) {
    call = (__u64)(word & ~NETPOLL_BEFORE) - 1;
    if (call >= NETPOLL_CALLS) return 0;
  }
  if (word & NETPOLL_BEFORE) return leave_before(task->pid, call, result, account);
  bool timed = measure_latency && word == call + 1;
  if (paused) return compat ? 0 : leave_before(task->pid, call, result, account);
  struct netpoll_cpu_counts* counts = cpu_counts(account);
  if (!counts) return 0;
  if (compat) {
    counts->compat_calls++;
    return 0;
  }

  if (!STILL_BELOW(call, NETPOLL_CALLS)) return 0;
  struct netpoll_call_counts* mine = &counts->calls[call];
  mine->count++;
  __u64 ns = 0;
  bool slept = false;
  if (timed) {
    ns = bpf_ktime_get_ns() - start_ns;
    mine->total_ns += ns;
    slept = (__u32)task->nvcsw != sleeps;
    if (slept) {
      mine->blocked++;
      mine->blocked_ns += ns;
    }
    __u64 bucket = bucket_of(ns);
    if (STILL_BELOW(bucket, NETPOLL_BUCKETS)) mine->latency[bucket]++;
  }
  if (call == NETPOLL_CALL_epoll_ctl) counts->ctl[SYSCALL_ARG2(regs) & 3]++;
  if (result < 0) {
    count_error(counts, mine, -result);
    if (result == -ERESTART_RESTARTBLOCK) {
      if (!timed) start_ns = 0;
      struct netpoll_restart restart = {.start_ns = start_ns,
                                        .end_ns = start_ns + ns,
                                        .call = (__u32)call + 1,
                                        .sleeps = sleeps,
                                        .timeout = timeout,
                                        .slept = slept};
      expect_restart(task->pid, &restart, account);
      return 0; /* what a wait was asked for is counted when it has returned for good */
    }
  } else {
    mine->result += result;
  }
  if (thread) {
    if (call <= NETPOLL_CALL_epoll_pwait2) {
      thread->woken = result > 0;
    } else if (is_for_data(call) && thread->woken) {
      thread->woken = 0;
      if (result == -EAGAIN) counts->spurious++;
    }
  }
  if (group_by) count_group(regs, call, result, ns, account);
  if (STILL_BELOW(call, NETPOLL_WAITS)) {
    if (!overwrites_timeout(call)) {
      timeout = timeout_of(call, regs);
    } else if (!timed) {
      timeout = NETPOLL_TIMEOUT_UNKNOWN;
    }
    count_wait(&counts->waits[call], timeout, result);
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
  if (tgid == parent_tgid) return 0;
  __u32 account = account_of(parent_tgid);
  if (leave_forks) {
    if (account != NETPOLL_NO_TARGET) __sync_fetch_and_add(&forks_left, 1);
    return 0;
  }
  if (account != NETPOLL_NO_TARGET && !add_target(tgid, account)) count_drop(account);
  return 0;
}

/* Runs once per thread. Ids are reused only after it, so the tables never take a newcomer for the departed. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(netpoll_exit, struct task_struct* task) {
  __u32 tgid = task->tgid;
  if (account_of_current(task) == NETPOLL_NO_TARGET) return 0;
  __u32 tid = task->pid;
  forget_thread(tid);
  bpf_map_delete_elem(&restarts, &tid);
  if (live_threads(task) == 0) forget_target(tgid);
  return 0;
}

/* What netpoll_tasks is to do, and its answers. */
__u32 task_job = 0;
__u32 found_tgid = 0;
__u32 adopted = 0;

static __always_inline void count_in_flight(struct netpoll_account* books, struct netpoll_thread* thread, __u64 call,
                                            bool restarted) {
  __u32 word = thread ? thread->call : 0;
  if (restarted) call = (__u64)(word & ~NETPOLL_BEFORE) - 1;
  if (!STILL_BELOW(call, NETPOLL_CALLS)) return;
  struct netpoll_in_flight* open = &books->in_flight[call];
  __u64 since = 0;
  open->count++;
  if (word & NETPOLL_BEFORE) {
    open->before++;
    since = begin_ns;
  } else if (thread && word == call + 1) {
    since = thread->start_ns;
  }
  __u64 now = bpf_ktime_get_ns();
  if (!measure_latency || !since || now < since) return;
  open->ns += now - since;
  if (open->longest_ns < now - since) open->longest_ns = now - since;
}

/*
 * Looks at the threads of the process that user space names when it starts the walk, or at all threads. Whether a
 * thread that runs is inside a call, or on which side of its boundary, nobody can tell from outside; one that sleeps in
 * a call is seen exactly, and that is the one that matters, because it may sleep for hours.
 */
static __always_inline int visit(struct bpf_iter__task* ctx, bool in_cgroups) {
  struct task_struct* task = ctx->task;
  if (!task) return 0;
  if (task_job == NETPOLL_TASKS_RESOLVE) {
    found_tgid = task->tgid;
    return 0;
  }
  __u32 tid = task->pid, tgid = task->tgid;
  __u32 account = in_cgroups ? account_in_cgroups(task) : account_of(tgid);
  if (task_job == NETPOLL_TASKS_ADOPT) {
    if (account != NETPOLL_NO_TARGET || tid != tgid || live_threads(task) == 0) return 0;
    account = account_of(parent_tgid(task));
    if (account == NETPOLL_NO_TARGET) return 0;
    if (add_target(tgid, account)) {
      adopted++;
    } else {
      count_drop(account);
    }
    return 0;
  }
  if (account == NETPOLL_NO_TARGET) return 0;

  struct netpoll_account* books = bpf_map_lookup_elem(&accounts, &account);
  if (!books) return 0;
  if (task_job == NETPOLL_TASKS_IN_FLIGHT && tid == tgid) books->live_processes++;
  __u64 switches = task->nvcsw + task->nivcsw;
  if (task_job == NETPOLL_TASKS_CHECK) {
    /* It ran after it was marked: the call may have returned before the mark was there to be removed. */
    if (!begin_ns) begin_ns = bpf_ktime_get_ns();
    struct netpoll_thread* marked = find_thread(tid);
    if (marked && (marked->call & NETPOLL_BEFORE) && marked->start_ns != switches) marked->call = 0;
    return 0;
  }
  if (!sleeps(task) || is_worker(task)) return 0;
  struct pt_regs* regs = (struct pt_regs*)bpf_task_pt_regs(task);
  long nr = SYSCALL_NR(regs);
  bool compat = in_compat_syscall(task);
  bool restarted = nr == NR_restart_syscall && !compat;
  __u64 call = (__u64)counted_call(nr) - 1;
  if (task_job == NETPOLL_TASKS_MARK) {
    if (restarted) call = (__u64)counted_call(nr_of_restart(task)) - 1;
    if (call >= NETPOLL_CALLS && !compat) return 0;
    struct netpoll_thread* thread = find_or_claim_thread(tid);
    if (!thread) {
      count_drop(account);
      return 0;
    }
    thread->start_ns = switches;
    thread->call = compat ? NETPOLL_BEFORE : NETPOLL_BEFORE | ((__u32)call + 1);
  } else if (task_job == NETPOLL_TASKS_IN_FLIGHT && !compat) {
    count_in_flight(books, find_thread(tid), call, restarted);
  }
  return 0;
}

/* One of the two is loaded: each type of the kernel that a program looks into takes libbpf most of a millisecond. */
SEC("iter/task")
int netpoll_tasks(struct bpf_iter__task* ctx) { return visit(ctx, false); }

SEC("iter/task")
int netpoll_cgroup_tasks(struct bpf_iter__task* ctx) { return visit(ctx, true); }

/*
 * An operation is taken from a submission queue, by its owner or by the kernel's thread in the owner's process. Not
 * tp_btf, since a kernel without io_uring, or one that calls this tracepoint io_uring_submit_sqe, would not load it.
 */
SEC("raw_tracepoint")
int netpoll_uring(struct bpf_raw_tracepoint_args* ctx) {
  __u32 account = account_of_current(bpf_get_current_task_btf());
  if (account == NETPOLL_NO_TARGET || paused) return 0;
  struct io_kiocb* request = (struct io_kiocb*)ctx->args[0];
  __u8 opcode = 0;
  READ_KERNEL(opcode, request->opcode);
  __u64 number = opcode < NETPOLL_URING_OPS ? opcode : NETPOLL_URING_OPS - 1;
  struct netpoll_cpu_counts* counts = cpu_counts(account);
  if (counts && STILL_BELOW(number, NETPOLL_URING_OPS)) __sync_fetch_and_add(&counts->uring_ops[number], 1);
  return 0;
}

/*
 * A USDT probe of libruntime; the attach cookie is its row in tracepoints.def. uprobe programs may preempt each other
 * on a CPU, hence the atomic addition.
 */
SEC("uprobe")
int netpoll_usdt(void* ctx) {
  __u32 account = account_of_current(bpf_get_current_task_btf());
  if (account == NETPOLL_NO_TARGET) return 0;
  __u64 row = bpf_get_attach_cookie(ctx);
  struct netpoll_cpu_counts* counts = cpu_counts(account);
  if (!counts || row >= NETPOLL_MAX_TRACEPOINTS) return 0;
  __sync_fetch_and_add(&counts->tracepoints[row], 1);
  return 0;
}
