/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ids.bpf.h: which processes are targets, one record for each of their threads, and what a thread was in before it had
 * one. Ids are those of the initial pid namespace.
 *
 * Both tables are direct-mapped: the slot of an id is its low bits, found by one inlined array lookup. Rejected: hash
 * maps and task storage, which cost several times as much per system call. An id whose slot belongs to another goes to
 * an overflow hash map.
 */
#ifndef PROBES_BPF_IDS_BPF_H
#define PROBES_BPF_IDS_BPF_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "probes/bpf/kernel_types.bpf.h"
#include "probes/bpf/syscall_counts.h"

/* Entries of `threads` and of `processes`, a power of two, less one. Fixed before loading. */
const volatile __u32 slot_mask = 0;

/* Cgroups that are targets, instead of processes, each by its id, which its members have as the ancestor of a level. */
const volatile __u32 cgroups = 0;
const volatile __u64 cgroup_ids[NETPOLL_MAX_CGROUPS] = {};
const volatile __u32 cgroup_levels[NETPOLL_MAX_CGROUPS] = {};

/* Set by user space while attached. */
__u32 root_tgid = 0;     /* the only target, or the first of its descendants; 0: nobody (yet, or any more) */
__u32 held_tgid = 0;     /* becomes root_tgid at its exec */
__u32 use_processes = 0; /* there are targets in `processes` too */

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1); /* slot_mask + 1 */
  __type(key, __u32);
  __type(value, struct netpoll_thread);
} threads SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, NETPOLL_OVERFLOW_SLOTS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u32);
  __type(value, struct netpoll_thread);
} threads_overflow SEC(".maps");

/* Targets beside root_tgid: descendants, and the others of several. Each tgid in its slot, with its account above it.
 */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1); /* slot_mask + 1 */
  __type(key, __u32);
  __type(value, __u64);
} processes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, NETPOLL_OVERFLOW_SLOTS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u32);
  __type(value, __u64);
} processes_overflow SEC(".maps");

/*
 * A slot is NETPOLL_VIRGIN, owned by an id, or NETPOLL_VACATED by one that exited. Only the first says that no id of
 * this slot can be in the overflow map. Several CPUs may want a slot at once, so it is taken by compare-and-swap.
 */
static __always_inline bool take_slot(__u32* owner, __u32 state, __u32 id) {
  return __sync_val_compare_and_swap(owner, state, id) == state;
}

/* The account of a process among `processes`, or NETPOLL_NO_TARGET. */
static __always_inline __u32 look_up_process(__u32 tgid) {
  __u32 key = tgid & slot_mask;
  __u64* owner = bpf_map_lookup_elem(&processes, &key);
  if (!owner || *owner == NETPOLL_VIRGIN) return NETPOLL_NO_TARGET;
  __u64 process = *owner;
  if ((__u32)process != tgid) {
    owner = bpf_map_lookup_elem(&processes_overflow, &tgid);
    if (!owner) return NETPOLL_NO_TARGET;
    process = *owner;
  }
  return process >> 32;
}

/* The account that a process is counted in; NETPOLL_NO_TARGET: it is none of ours. */
static __always_inline __u32 account_of(__u32 tgid) {
  if (tgid == root_tgid) return 0;
  return use_processes ? look_up_process(tgid) : NETPOLL_NO_TARGET;
}

/* The same of the current task. */
static __always_inline __u32 account_of_current(struct task_struct* task) {
  if (!cgroups) return account_of(task->tgid);
  for (__u32 i = 0; i < NETPOLL_MAX_CGROUPS; ++i) {
    if (i >= cgroups) break;
    if (bpf_get_current_ancestor_cgroup_id(cgroup_levels[i]) == cgroup_ids[i]) return 0;
  }
  return NETPOLL_NO_TARGET;
}

/* And of any other, whom no helper knows, where cgroups are targets. */
static __always_inline __u32 account_in_cgroups(struct task_struct* task) {
  struct css_set* set = NULL;
  struct cgroup* own = NULL;
  int level = -1;
  READ_KERNEL(set, task->cgroups);
  READ_KERNEL(own, set->dfl_cgrp);
  READ_KERNEL(level, own->level);
  for (__u32 i = 0; i < NETPOLL_MAX_CGROUPS; ++i) {
    struct cgroup* ancestor = NULL;
    struct kernfs_node* node = NULL;
    __u64 id = 0;
    if (i >= cgroups) break;
    if (level < (int)cgroup_levels[i]) continue;
    READ_KERNEL(ancestor, own->ancestors[cgroup_levels[i]]);
    READ_KERNEL(node, ancestor->kn);
    READ_KERNEL(id, node->id);
    if (id == cgroup_ids[i]) return 0;
  }
  return NETPOLL_NO_TARGET;
}

static __always_inline __u32 account_of_other(struct task_struct* task) {
  return cgroups ? account_in_cgroups(task) : account_of(task->tgid);
}

/* Threads of the process that have not begun to exit. */
static __always_inline int live_threads(struct task_struct* task) {
  struct signal_struct* signal = NULL;
  int live = 0;
  READ_KERNEL(signal, task->signal);
  READ_KERNEL(live, signal->live.counter);
  return live;
}

static __always_inline __u32 parent_tgid(struct task_struct* task) {
  struct task_struct* parent = NULL;
  pid_t tgid = 0;
  READ_KERNEL(parent, task->real_parent);
  READ_KERNEL(tgid, parent->tgid);
  return tgid;
}

/* False: no room. User space does the same (process_table.cc). */
static __always_inline bool add_target(__u32 tgid, __u32 account) {
  __u32 key = tgid & slot_mask;
  __u64 process = (__u64)account << 32 | tgid;
  __u64* owner = bpf_map_lookup_elem(&processes, &key);
  if (!owner) return false;
  if (__sync_val_compare_and_swap(owner, NETPOLL_VIRGIN, process) == NETPOLL_VIRGIN) return true;
  if (__sync_val_compare_and_swap(owner, NETPOLL_VACATED, process) == NETPOLL_VACATED) return true;
  return bpf_map_update_elem(&processes_overflow, &tgid, &process, BPF_ANY) == 0;
}

static __always_inline void forget_target(__u32 tgid) {
  if (tgid == root_tgid) {
    root_tgid = 0;
    return;
  }
  __u32 key = tgid & slot_mask;
  __u64* owner = bpf_map_lookup_elem(&processes, &key);
  if (owner && (__u32)*owner == tgid) {
    *owner = NETPOLL_VACATED;
  } else {
    bpf_map_delete_elem(&processes_overflow, &tgid);
  }
}

/* The thread's record; NULL if it has none. */
static __always_inline struct netpoll_thread* find_thread(__u32 tid) {
  __u32 key = tid & slot_mask;
  struct netpoll_thread* slot = bpf_map_lookup_elem(&threads, &key);
  if (!slot || slot->tid == tid) return slot;
  if (slot->tid == NETPOLL_VIRGIN) return NULL;
  return bpf_map_lookup_elem(&threads_overflow, &tid);
}

/* The same for a thread that has no record in its slot: makes one, kept until it exits. NULL: no room. */
static __noinline struct netpoll_thread* claim_thread(__u32 tid) {
  __u32 key = tid & slot_mask;
  struct netpoll_thread* slot = bpf_map_lookup_elem(&threads, &key);
  if (!slot || take_slot(&slot->tid, NETPOLL_VIRGIN, tid)) return slot;
  struct netpoll_thread* elsewhere = bpf_map_lookup_elem(&threads_overflow, &tid);
  if (elsewhere) return elsewhere;
  if (take_slot(&slot->tid, NETPOLL_VACATED, tid)) return slot;
  struct netpoll_thread fresh = {.tid = tid};
  bpf_map_update_elem(&threads_overflow, &tid, &fresh, BPF_ANY);
  return bpf_map_lookup_elem(&threads_overflow, &tid);
}

static __always_inline struct netpoll_thread* find_or_claim_thread(__u32 tid) {
  __u32 key = tid & slot_mask;
  struct netpoll_thread* slot = bpf_map_lookup_elem(&threads, &key);
  return slot && slot->tid == tid ? slot : claim_thread(tid);
}

static __always_inline void forget_thread(__u32 tid) {
  __u32 key = tid & slot_mask;
  struct netpoll_thread* slot = bpf_map_lookup_elem(&threads, &key);
  if (!slot || slot->tid == NETPOLL_VIRGIN) return;
  if (slot->tid == tid) {
    slot->call = 0;
    slot->tid = NETPOLL_VACATED;
  } else {
    bpf_map_delete_elem(&threads_overflow, &tid);
  }
}

/*
 * The number of the call that restart_syscall goes on with, where that call ended before anybody looked: the kernel's
 * function for it tells. -1: it is another.
 */
static __noinline long nr_of_restart(struct task_struct* task) {
  char name[32] = {};
  if (!task) return -1;
  __u64 fn = 0, first = 0;
  READ_KERNEL(fn, task->restart_block.fn);
  BPF_SNPRINTF(name, sizeof(name), "%ps", (void*)fn);
  if (bpf_strncmp(name, sizeof(name), "do_restart_poll") == 0) return NR_poll;
  if (bpf_strncmp(name, sizeof(name), "futex_wait_restart") == 0) return NR_futex;
  if (bpf_strncmp(name, sizeof(name), "hrtimer_nanosleep_restart") != 0) return -1;
  /* One of the two has a number where the other has an address. */
  READ_KERNEL(first, SYSCALL_ARG1((struct pt_regs*)bpf_task_pt_regs(task)));
  return first < 4096 ? NR_clock_nanosleep : NR_nanosleep;
}

#endif
