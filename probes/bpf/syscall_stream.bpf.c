/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * syscall_stream: every system call of interest of one process or several, one record each, written when it returns:
 * that is where its result is known and its arguments are still there, and one record costs less than two. The program
 * at the entry only takes the time. Likewise every operation of io_uring, when it completes. And hits of libruntime's
 * USDT probes with their arguments, and the births and deaths of processes.
 *
 * Calls that threads are in when we come are marked by a look at all of them (netpoll_stream_tasks), so that their
 * exits are told from others whose entry was not seen. The same look finds those that are under way when we go.
 *
 * All records go through one ring, in about the order of their times: what is not needed there is sorted by user space.
 * A record that finds no room is counted by its CPU, and the CPU's next record says how many there were before it.
 * Nobody waits for anybody: a reader that is too slow costs records.
 *
 * Rejected: a ring for each CPU. It spares a lock that is hardly ever contended on few CPUs, and costs a second lookup.
 */
#include "probes/bpf/kernel_types.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "probes/bpf/ids.bpf.h"
#include "probes/bpf/syscall_stream.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 cpus = 1;
/* When the calls that had begun before us were looked for: after everybody became a target. */
__u64 begin_ns = 0;
/* Set by user space when the trace ends: from then on nothing begins, and what returns was under way. */
__u32 ending = 0;
/* By system call number. */
const volatile struct netpoll_stream_call call_of_nr[NETPOLL_STREAM_MAX_NR] = {};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 24);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* cpus */
  __type(key, __u32);
  __type(value, struct netpoll_stream_cpu);
} cpu_states SEC(".maps");

/* By tgid; filled by user space, and emptied here when the program is another one. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, NETPOLL_MAX_GO_PROGRAMS);
  __type(key, __u32);
  __type(value, struct netpoll_go_program);
} go_programs SEC(".maps");

/* That there is one in the map; before, nothing is looked up. */
__u32 has_go_programs = 0;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, NETPOLL_MAX_USDT_SITES);
  __type(key, __u32);
  __type(value, struct netpoll_usdt_site);
} usdt_sites SEC(".maps");

/* Operations under way, by the address of the kernel's request. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, NETPOLL_MAX_URING_OPS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, struct netpoll_uring_op);
} uring_ops SEC(".maps");

/* Requests that may complete more than once, which is then told without the request. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, NETPOLL_MAX_URING_OPS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct netpoll_uring_name);
  __type(value, __u64);
} uring_repeated SEC(".maps");

/* Processes that submitted one, by tgid: the table above is looked through at the end of these alone. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, NETPOLL_MAX_SLOTS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u32);
  __type(value, __u8);
} uring_processes SEC(".maps");

/* The fields that only this program reads; libbpf takes what follows "___" for a flavour of the name (CO-RE). */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct thread_struct___fs {
  unsigned long fsbase;
};
struct task_struct___fs {
  struct thread_struct___fs thread;
};
#if defined(__TARGET_ARCH_x86)
struct pt_regs___args {
  unsigned long di, si, dx, r10, r8, sp;
};
#else
struct pt_regs___args {
  __u64 regs[31];
  __u64 sp;
  __u64 orig_x0;
};
#endif
#pragma clang attribute pop

static __always_inline void count_drop(struct netpoll_stream_cpu* state) {
  if (state) __sync_fetch_and_add(&state->dropped, 1);
}

static __always_inline struct netpoll_stream_cpu* cpu_state(__u32 cpu) {
  return bpf_map_lookup_elem(&cpu_states, &cpu);
}

static __always_inline void fill_head(struct netpoll_stream_event* event, struct netpoll_stream_cpu* state, __u32 cpu,
                                      struct task_struct* task, __u64 now) {
  event->time_ns = now;
  event->cpu = cpu;
  event->dropped = state->dropped;
  event->tgid = task->tgid;
  event->tid = task->pid;
  event->goid = 0;
  event->labels = 0;
  event->count = 0;
  event->skipped = 0;
  event->before = 0;
}

/*
 * The goroutine that the thread runs: Go keeps its current g in a word of thread-local storage (x86) or in a register
 * of its own (arm64, R28). A g is believed when the stack pointer lies on its stack; g.stack are its first two words.
 */
static __always_inline void fill_goroutine(struct netpoll_stream_event* event, struct task_struct* task,
                                           struct pt_regs* regs) {
  __u32 tgid = task->tgid;
  struct netpoll_go_program* go = bpf_map_lookup_elem(&go_programs, &tgid);
  if (!go) return;
  struct pt_regs___args* registers = (struct pt_regs___args*)regs;
  __u64 g = 0, stack[2] = {};
#if defined(__TARGET_ARCH_x86)
  __u64 tls = ((struct task_struct___fs*)task)->thread.fsbase;
  if (bpf_probe_read_user(&g, sizeof(g), (const void*)(tls + (__s64)go->g_offset)) != 0) return;
#else
  g = registers->regs[28];
#endif
  if (!g || bpf_probe_read_user(stack, sizeof(stack), (const void*)g) != 0) return;
  if (registers->sp < stack[0] || registers->sp > stack[1]) return;
  bpf_probe_read_user(&event->goid, sizeof(event->goid), (const void*)(g + go->goid_offset));
  if (go->labels_offset) {
    bpf_probe_read_user(&event->labels, sizeof(event->labels), (const void*)(g + go->labels_offset));
  }
}

static __always_inline void fill_call(struct netpoll_stream_event* event, struct pt_regs* regs, __u8 row,
                                      __u64 start_ns, long result) {
  event->row = row;
  event->start_ns = start_ns;
  event->result = result;
  struct pt_regs___args* registers = (struct pt_regs___args*)regs;
#if defined(__TARGET_ARCH_x86)
  event->args[0] = registers->di;
  event->args[1] = registers->si;
  event->args[2] = registers->dx;
  event->args[3] = registers->r10;
  event->args[4] = registers->r8;
#else
  event->args[0] = registers->orig_x0;
  event->args[1] = registers->regs[1];
  event->args[2] = registers->regs[2];
  event->args[3] = registers->regs[3];
  event->args[4] = registers->regs[4];
#endif
}

/* The row of a call by its number, + 1; 0: it is not in the stream. */
static __always_inline __u8 row_of(long nr) {
  return (unsigned long)nr < NETPOLL_STREAM_MAX_NR ? call_of_nr[nr].row : 0;
}

/* When a call began as far as is known, by the word of its thread; 0: it is not. */
static __always_inline __u64 start_of(struct netpoll_thread* thread, __u32 word, __u8 row) {
  if (word == row) return thread->start_ns;
  return word == (NETPOLL_BEFORE | row) ? begin_ns : 0;
}

/* A record of the current task that nothing follows; NULL: there is no room. It is to be submitted. */
static __always_inline struct netpoll_stream_event* new_event(struct task_struct* task, __u8 kind) {
  __u32 cpu = bpf_get_smp_processor_id();
  struct netpoll_stream_cpu* state = cpu_state(cpu);
  if (!state) return NULL;
  struct netpoll_stream_event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) {
    count_drop(state);
    return NULL;
  }
  fill_head(event, state, cpu, task, bpf_ktime_get_ns());
  event->kind = kind;
  event->row = 0;
  event->start_ns = 0;
  event->result = 0;
  for (__u32 i = 0; i < NETPOLL_STREAM_ARGS; i++) event->args[i] = 0;
  /* Programs of several kinds do this, of which one may interrupt another. */
  __sync_fetch_and_add(&state->written, 1);
  return event;
}

/* The call of the current task will not return, or not while anybody looks. */
static __always_inline void write_unfinished(struct task_struct* task, struct pt_regs* regs, __u8 row, __u64 start_ns,
                                             __u32 before) {
  struct netpoll_stream_event* event = new_event(task, NETPOLL_STREAM_UNFINISHED);
  if (!event) return;
  fill_call(event, regs, row - 1, start_ns, 0);
  event->before = before;
  if (has_go_programs) fill_goroutine(event, task, regs);
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(netpoll_stream_enter, struct pt_regs* regs, long nr) {
  struct task_struct* task = bpf_get_current_task_btf();
  if (account_of_current(task) == NETPOLL_NO_TARGET || ending) return 0;
  if (!row_of(nr)) {
    struct netpoll_thread* sleeper = nr == NR_restart_syscall ? find_thread(task->pid) : NULL;
    if (!sleeper || !(sleeper->call & NETPOLL_STREAM_RESTARTS) || in_compat_syscall(task)) return 0;
    sleeper->start_ns = bpf_ktime_get_ns();
    sleeper->call &= NETPOLL_STREAM_ROW;
    return 0;
  }
  if (in_compat_syscall(task)) return 0;
  struct netpoll_thread* thread = find_or_claim_thread(task->pid);
  if (!thread) return 0;
  thread->call = row_of(nr);
  thread->start_ns = bpf_ktime_get_ns();
  return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(netpoll_stream_leave, struct pt_regs* regs, long result) {
  struct task_struct* task = bpf_get_current_task_btf();
  if (account_of_current(task) == NETPOLL_NO_TARGET) return 0;
  long nr = SYSCALL_NR(regs);
  bool compat = in_compat_syscall(task);
  struct netpoll_thread* thread = find_thread(task->pid);
  __u8 row = 0, job = 0;
  if (nr == NR_restart_syscall && !compat && thread) {
    /* A sleep that goes on; its arguments are those of the call. */
    row = thread->call & NETPOLL_STREAM_ROW;
  } else if ((unsigned long)nr < NETPOLL_STREAM_MAX_NR) {
    row = call_of_nr[nr].row;
    job = call_of_nr[nr].job;
  }
  if (!row) {
    /* What is restarted next is not in the stream. */
    if (result == -ERESTART_RESTARTBLOCK && thread) thread->call = 0;
    return 0;
  }
  __u32 cpu = bpf_get_smp_processor_id();
  struct netpoll_stream_cpu* state = cpu_state(cpu);
  if (!state) return 0;
  if (compat) {
    state->compat++;
    return 0;
  }
  __u64 start_ns = 0;
  __u32 before = 0;
  const bool last = ending;
  if (thread) {
    /* Who looks at all threads when the trace ends tells of the call unless it is taken here. */
    __u32 word = last ? __sync_lock_test_and_set(&thread->call, 0) : thread->call;
    before = word == (NETPOLL_BEFORE | row);
    start_ns = start_of(thread, word, row);
    if (!last) thread->call = result == -ERESTART_RESTARTBLOCK ? NETPOLL_STREAM_RESTARTS | row : 0;
  }
  if (last) {
    if (start_ns) write_unfinished(task, regs, row, start_ns, before);
    return 0;
  }
  __u64 now = bpf_ktime_get_ns();

  if (job == NETPOLL_JOB_NONE || job == NETPOLL_JOB_CTL || (job == NETPOLL_JOB_WAIT && result <= 0)) {
    struct netpoll_stream_event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
      count_drop(state);
      return 0;
    }
    fill_head(event, state, cpu, task, now);
    event->kind = NETPOLL_STREAM_CALL;
    fill_call(event, regs, row - 1, start_ns, result);
    event->before = before;
    if (job == NETPOLL_JOB_CTL) {
      struct netpoll_epoll_event given = {};
      bpf_probe_read_user(&given, sizeof(given), (const void*)event->args[3]);
      event->args[3] = given.events;
      event->args[4] = given.data;
    }
    if (has_go_programs) fill_goroutine(event, task, regs);
    bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
    state->written++;
    return 0;
  }

  if (job != NETPOLL_JOB_WAIT || result <= NETPOLL_STREAM_FEW) {
    struct netpoll_stream_few* few = bpf_ringbuf_reserve(&events, sizeof(*few), 0);
    if (!few) {
      count_drop(state);
      return 0;
    }
    struct netpoll_stream_event* event = &few->event;
    fill_head(event, state, cpu, task, now);
    event->kind = NETPOLL_STREAM_CALL;
    fill_call(event, regs, row - 1, start_ns, result);
    event->before = before;
    if (job == NETPOLL_JOB_WAIT) {
      __u32 bytes = (__u32)result * sizeof(struct netpoll_epoll_event);
      if (bytes <= sizeof(few->ready) && bpf_probe_read_user(few->ready, bytes, (const void*)event->args[1]) == 0) {
        event->count = result;
      } else {
        event->skipped = result;
      }
    } else {
      /* struct sockaddr_in6 is the longest that is of interest. */
      const void* address = (const void*)event->args[1];
      if (address && (result >= 0 || job == NETPOLL_JOB_CONNECT) && bpf_probe_read_user(few->ready, 28, address) == 0) {
        event->count = 28;
      }
    }
    if (has_go_programs) fill_goroutine(event, task, regs);
    bpf_ringbuf_submit(few, BPF_RB_NO_WAKEUP);
    state->written++;
    return 0;
  }

  /* Many: the record of the call, and as many as it takes. */
  __u32 left = result;
  const struct netpoll_epoll_event* from = NULL;
  for (int chunk = 0; chunk < NETPOLL_STREAM_CHUNKS && left > 0; chunk++) {
    struct netpoll_stream_many* many = bpf_ringbuf_reserve(&events, sizeof(*many), 0);
    if (!many) {
      count_drop(state);
      return 0;
    }
    struct netpoll_stream_event* event = &many->event;
    fill_head(event, state, cpu, task, now);
    fill_call(event, regs, row - 1, start_ns, result);
    event->before = before;
    event->kind = chunk == 0 ? NETPOLL_STREAM_CALL : NETPOLL_STREAM_MORE;
    if (chunk == 0) {
      from = (const struct netpoll_epoll_event*)event->args[1];
      if (has_go_programs) fill_goroutine(event, task, regs);
    }
    __u32 count = left < NETPOLL_STREAM_MANY ? left : NETPOLL_STREAM_MANY;
    __u32 bytes = count * sizeof(struct netpoll_epoll_event);
    if (bytes <= sizeof(many->ready) && bpf_probe_read_user(many->ready, bytes, from) == 0) {
      event->count = count;
    } else {
      event->skipped = count;
    }
    left -= count;
    from += count;
    if (chunk == NETPOLL_STREAM_CHUNKS - 1) event->skipped += left;
    bpf_ringbuf_submit(many, BPF_RB_NO_WAKEUP);
    state->written++;
  }
  return 0;
}

/* A record about a process; kind is a constant. */
static __always_inline void write_process(struct task_struct* task, __u8 kind, __u64 arg) {
  struct netpoll_stream_event* event = new_event(task, kind);
  if (!event) return;
  event->args[0] = arg;
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(netpoll_stream_exec, struct task_struct* task) {
  __u32 tgid = task->tgid;
  if (held_tgid != 0 && tgid == held_tgid) {
    root_tgid = tgid;
    held_tgid = 0;
  }
  if (account_of_current(task) == NETPOLL_NO_TARGET) return 0;
  bpf_map_delete_elem(&go_programs, &tgid);
  write_process(task, NETPOLL_STREAM_EXEC, 0);
  return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(netpoll_stream_fork, struct task_struct* parent, struct task_struct* child) {
  __u32 parent_tgid = parent->tgid, tgid = child->tgid;
  if (tgid == parent_tgid) return 0;
  __u32 account = account_of_current(parent);
  if (account == NETPOLL_NO_TARGET) return 0;
  if (!cgroups && !add_target(tgid, account)) count_drop(cpu_state(bpf_get_smp_processor_id()));
  write_process(parent, NETPOLL_STREAM_FORK, tgid);
  return 0;
}

/* What an operation says of itself, but for its result. */
static __always_inline void fill_operation(struct netpoll_stream_event* event, const struct netpoll_uring_op* op) {
  event->tid = op->tid;
  event->row = op->opcode;
  event->start_ns = op->start_ns;
  event->args[NETPOLL_URING_USER_DATA] = op->user_data;
  event->args[NETPOLL_URING_FD] = op->fd;
  event->args[NETPOLL_URING_FIXED] = op->fixed;
}

/* Each operation that is under way when its process ends: the kernel cancels it later, and elsewhere. */
static long end_operation(void* map, __u64* key, struct netpoll_uring_op* op, __u32* tgid) {
  if (op->tgid != *tgid) return 0;
  struct netpoll_stream_event* event = new_event(bpf_get_current_task_btf(), NETPOLL_STREAM_URING_OPEN);
  if (event) {
    fill_operation(event, op);
    bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  }
  bpf_map_delete_elem(map, key);
  return 0;
}

/* Runs once per thread. Ids are reused only after it, so the tables never take a newcomer for the departed. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(netpoll_stream_exit, struct task_struct* task) {
  __u32 tgid = task->tgid, tid = task->pid;
  if (account_of_current(task) == NETPOLL_NO_TARGET) return 0;
  struct netpoll_thread* thread = find_thread(tid);
  if (thread) {
    /* That the thread is still in it its registers say: a mark may be older. */
    struct pt_regs* regs = (struct pt_regs*)bpf_task_pt_regs(task);
    __u32 word = thread->call;
    __u8 row = row_of(SYSCALL_NR(regs));
    __u64 start_ns = row ? start_of(thread, word, row) : 0;
    if (start_ns) write_unfinished(task, regs, row, start_ns, word != row);
  }
  forget_thread(tid);
  if (live_threads(task) == 0) {
    if (bpf_map_lookup_elem(&uring_processes, &tgid)) {
      bpf_for_each_map_elem(&uring_ops, end_operation, &tgid, 0);
      bpf_map_delete_elem(&uring_processes, &tgid);
    }
    write_process(task, NETPOLL_STREAM_EXIT, 0);
    bpf_map_delete_elem(&go_programs, &tgid);
    if (!cgroups) forget_target(tgid);
  }
  return 0;
}

/* As in syscall_counts.bpf.c. */
__u32 task_job = 0;
__u32 found_tgid = 0;
__u32 adopted = 0;

/*
 * The thread may be in a call that began before us. One that in truth runs, and whose registers are those of a call
 * that returned, is marked too: its next call removes the mark, and whoever else believes it looks at the registers
 * again.
 */
static __always_inline void mark_call(struct task_struct* task, long nr) {
  if (!begin_ns) begin_ns = bpf_ktime_get_ns();
  __u8 row = row_of(nr == NR_restart_syscall ? nr_of_restart(task) : nr);
  if (!row || in_compat_syscall(task)) return;
  struct netpoll_thread* thread = find_or_claim_thread(task->pid);
  if (thread) __sync_val_compare_and_swap(&thread->call, 0, NETPOLL_BEFORE | row);
}

/* The call that the thread is in, to whoever reads what the walk writes. At the end of the trace that is the last of
 * it. */
static __always_inline void tell_call(struct seq_file* seq, struct task_struct* task, struct pt_regs* regs, long nr) {
  struct netpoll_thread* thread = find_thread(task->pid);
  if (!thread) return;
  __u32 word = thread->call;
  __u8 row = nr == NR_restart_syscall ? word & NETPOLL_STREAM_ROW : row_of(nr);
  __u64 start_ns = row ? start_of(thread, word, row) : 0;
  if (!start_ns || (word != row && !sleeps(task))) return;
  if (ending && __sync_val_compare_and_swap(&thread->call, word, word | NETPOLL_STREAM_TOLD) != word) return;
  struct netpoll_stream_event event = {.cpu = NETPOLL_STREAM_NO_CPU, .kind = NETPOLL_STREAM_UNFINISHED};
  event.time_ns = bpf_ktime_get_ns();
  event.tgid = task->tgid;
  event.tid = task->pid;
  fill_call(&event, regs, row - 1, start_ns, 0);
  event.before = word != row;
  /* Without room the walk comes back to this thread. */
  if (bpf_seq_write(seq, &event, sizeof(event)) != 0 && ending) {
    __sync_val_compare_and_swap(&thread->call, word | NETPOLL_STREAM_TOLD, word);
  }
}

SEC("iter/task")
int netpoll_stream_tasks(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (!task) return 0;
  __u32 tid = task->pid, tgid = task->tgid;
  if (task_job == NETPOLL_TASKS_RESOLVE) {
    found_tgid = tgid;
    return 0;
  }
  __u32 account = account_of_other(task);
  if (task_job == NETPOLL_TASKS_MARK || task_job == NETPOLL_TASKS_IN_FLIGHT) {
    if (account == NETPOLL_NO_TARGET || is_worker(task)) return 0;
    struct pt_regs* regs = (struct pt_regs*)bpf_task_pt_regs(task);
    if (task_job == NETPOLL_TASKS_MARK) {
      mark_call(task, SYSCALL_NR(regs));
    } else {
      tell_call(ctx->meta->seq, task, regs, SYSCALL_NR(regs));
    }
    return 0;
  }
  if (account != NETPOLL_NO_TARGET || tid != tgid || live_threads(task) == 0) return 0;
  account = account_of(parent_tgid(task));
  if (account == NETPOLL_NO_TARGET) return 0;
  if (add_target(tgid, account)) adopted++;
  return 0;
}

static __always_inline __s64 usdt_value(const void* ctx, const struct netpoll_usdt_arg* arg) {
  __u64 value = 0;
  if (arg->place == NETPOLL_USDT_CONST) return arg->value;
  if (arg->place == NETPOLL_USDT_NONE || arg->reg_offset > 512) return 0;
  if (bpf_probe_read_kernel(&value, sizeof(value), ctx + arg->reg_offset) != 0) return 0;
  if (arg->place == NETPOLL_USDT_MEMORY) {
    const void* address = (const void*)(value + arg->value);
    value = 0;
    if (bpf_probe_read_user(&value, sizeof(value), address) != 0) return 0;
  }
  __u32 unused_bits = (8 - (arg->size & 7)) * 8;
  if (arg->size >= 8 || arg->size == 0) return value;
  value <<= unused_bits;
  return arg->is_signed ? (__s64)value >> unused_bits : (__s64)(value >> unused_bits);
}

/* A USDT probe of libruntime; the attach cookie is its number in usdt_sites. */
SEC("uprobe")
int netpoll_stream_usdt(void* ctx) {
  struct task_struct* task = bpf_get_current_task_btf();
  if (account_of_current(task) == NETPOLL_NO_TARGET) return 0;
  __u32 number = bpf_get_attach_cookie(ctx);
  struct netpoll_usdt_site* site = bpf_map_lookup_elem(&usdt_sites, &number);
  if (!site) return 0;
  __s64 values[NETPOLL_STREAM_ARGS];
  for (__u32 i = 0; i < NETPOLL_STREAM_ARGS; i++) values[i] = i < site->argc ? usdt_value(ctx, &site->args[i]) : 0;
  struct netpoll_stream_event* event = new_event(task, NETPOLL_STREAM_USDT);
  if (!event) return 0;
  event->row = site->row;
  for (__u32 i = 0; i < NETPOLL_STREAM_ARGS; i++) event->args[i] = values[i];
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  return 0;
}

/* By enum io_uring_op; its names of <linux/io_uring.h> may be younger than the header of a build. */
static __always_inline bool may_repeat(__u8 opcode) {
  return opcode == 6 /* POLL_ADD */ || opcode == 10 /* RECVMSG */ || opcode == 11 /* TIMEOUT */ ||
         opcode == 13 /* ACCEPT */ || opcode == 26 /* SEND: a bundle */ || opcode == 27 /* RECV */ ||
         opcode == 47 /* SEND_ZC: its notification */ || opcode == 48 /* SENDMSG_ZC */ ||
         opcode == 49 /* READ_MULTISHOT */;
}

/* An operation is taken from a submission queue, by its owner or by the kernel's thread in the owner's process. */
SEC("raw_tracepoint")
int netpoll_stream_uring_submit(struct bpf_raw_tracepoint_args* ctx) {
  struct task_struct* task = bpf_get_current_task_btf();
  if (account_of_current(task) == NETPOLL_NO_TARGET) return 0;
  struct io_kiocb* request = (struct io_kiocb*)ctx->args[0];
  if (!bpf_core_field_exists(request->cqe)) return 0;
  struct netpoll_uring_op op = {};
  __u64 flags = 0;
  struct netpoll_uring_name name = {};
  op.start_ns = bpf_ktime_get_ns();
  op.tgid = task->tgid;
  op.tid = task->pid;
  READ_KERNEL(op.opcode, request->opcode);
  READ_KERNEL(op.user_data, request->cqe.user_data);
  READ_KERNEL(op.fd, request->cqe.fd);
  READ_KERNEL(flags, request->flags);
  op.fixed = flags & 1; /* REQ_F_FIXED_FILE is IOSQE_FIXED_FILE */
  __u64 key = (__u64)request;
  __u8 yes = 1;
  if (!bpf_map_lookup_elem(&uring_processes, &op.tgid)) {
    bpf_map_update_elem(&uring_processes, &op.tgid, &yes, BPF_ANY);
  }
  /* Without room its start and descriptor stay unknown. */
  if (bpf_map_update_elem(&uring_ops, &key, &op, BPF_ANY) != 0 || !may_repeat(op.opcode)) return 0;
  READ_KERNEL(name.ring, request->ctx);
  name.user_data = op.user_data;
  bpf_map_update_elem(&uring_repeated, &name, &key, BPF_ANY);
  return 0;
}

/*
 * An operation completes: mostly on the thread that submitted it, or on one of the kernel's in its process. A last
 * completion comes with its request, one of several without.
 */
SEC("raw_tracepoint")
int netpoll_stream_uring_complete(struct bpf_raw_tracepoint_args* ctx) {
  struct task_struct* task = bpf_get_current_task_btf();
  if (account_of_current(task) == NETPOLL_NO_TARGET) return 0;
  struct netpoll_uring_name name = {.ring = ctx->args[0]};
  __u64 key = ctx->args[1];
  struct io_uring_cqe completion = {};
  if (bpf_core_type_exists(btf_trace_io_uring_complete)) {
    bpf_probe_read_kernel(&completion, sizeof(completion), (const void*)ctx->args[2]);
  } else {
    completion.user_data = ctx->args[2];
    completion.res = ctx->args[3];
    completion.flags = ctx->args[4];
  }
  const bool last = key != 0;
  name.user_data = completion.user_data;
  if (!last) {
    __u64* repeated = bpf_map_lookup_elem(&uring_repeated, &name);
    if (repeated) key = *repeated;
  }
  struct netpoll_uring_op* op = key ? bpf_map_lookup_elem(&uring_ops, &key) : NULL;
  /* What another process left behind, or another operation. */
  if (op && (op->tgid != (__u32)task->tgid || op->user_data != completion.user_data)) op = NULL;
  struct netpoll_stream_event* event = new_event(task, NETPOLL_STREAM_URING);
  if (event) {
    event->result = completion.res;
    event->row = NETPOLL_URING_UNKNOWN;
    event->args[NETPOLL_URING_FD] = -1;
    event->args[NETPOLL_URING_FLAGS] = completion.flags;
    event->args[NETPOLL_URING_USER_DATA] = completion.user_data;
    if (op) {
      fill_operation(event, op);
    } else if (last) {
      READ_KERNEL(event->row, ((struct io_kiocb*)key)->opcode);
    }
    bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  }
  if (last) {
    if (op && may_repeat(op->opcode)) bpf_map_delete_elem(&uring_repeated, &name);
    bpf_map_delete_elem(&uring_ops, &key);
  }
  return 0;
}
