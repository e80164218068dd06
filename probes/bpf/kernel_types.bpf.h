/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel_types.bpf.h: the kernel fields that our BPF programs read, and no others. libbpf relocates each access against
 * the BTF of the running kernel (CO-RE), so order, size and neighbours do not matter here; names and nesting do.
 */
#ifndef PROBES_BPF_KERNEL_TYPES_BPF_H
#define PROBES_BPF_KERNEL_TYPES_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef int pid_t;

/* As user space has it (include/uapi/linux/io_uring.h), whose header does not go with the kernel's own types. */
struct io_uring_cqe {
  __u64 user_data;
  __s32 res;
  __u32 flags;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  int counter;
} atomic_t;

struct signal_struct {
  atomic_t live; /* threads of the process that have not begun to exit */
};

struct thread_info {
  unsigned long flags;
  __u32 status; /* x86 */
};

struct inode {
  unsigned short i_mode;
  unsigned long i_ino;
};

struct file {
  struct inode* f_inode;
};

struct fdtable {
  unsigned int max_fds;
  struct file** fd;
};

struct files_struct {
  struct fdtable* fdt;
};

/* Linux 5.19 */
struct io_cqe {
  __u64 user_data;
  __s32 res;
  union {
    __u32 flags; /* of the completion */
    int fd;      /* until then, of an operation that is about a descriptor */
  };
};

struct io_ring_ctx;

struct io_kiocb {
  __u8 opcode;
  __u64 flags; /* before Linux 6.9 half as wide */
  struct io_cqe cqe;
  struct io_ring_ctx* ctx;
};

struct kernfs_node {
  __u64 id;
};

struct cgroup {
  int level;
  struct kernfs_node* kn;
  struct cgroup* ancestors[]; /* by level; Linux 6.1 */
};

struct css_set {
  struct cgroup* dfl_cgrp;
};

struct restart_block {
  void* fn; /* what restart_syscall calls */
};

struct task_struct {
  struct thread_info thread_info;
  unsigned int flags; /* PF_* */
  struct restart_block restart_block;
  unsigned int __state; /* Linux 5.14 renamed it from state */
  pid_t pid;            /* what user space calls tid */
  pid_t tgid;           /* what user space calls pid */
  struct task_struct* real_parent;
  struct signal_struct* signal;
  struct files_struct* files;
  struct css_set* cgroups;
  unsigned long nvcsw, nivcsw; /* context switches, voluntary and not */
};

struct seq_file;

struct bpf_iter_meta {
  struct seq_file* seq;
};

struct bpf_iter__task {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
  unsigned long di, si, dx, r10, r8, orig_ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
  __u64 regs[31];
  __u64 orig_x0;
  __s32 syscallno;
};
#endif

/*
 * What the tracepoint of a completion is given, where it is given the completion itself (Linux 6.18) and not its fields
 * one by one (6.1). libbpf compares number and kinds of the arguments, not the names of structures; each has to be one
 * that is defined here, so the ring is not called what it is.
 */
typedef void (*btf_trace_io_uring_complete)(void* data, struct io_uring_cqe* ring, void* request,
                                            struct io_uring_cqe* completion);

#pragma clang attribute pop

/*
 * The number and the arguments of a system call, from the registers at its exit: the kernel leaves the second and later
 * arguments as they were (only the first is overwritten by the result, on arm64, which keeps a copy). The number is
 * negative when the task came into the kernel by an interrupt or a fault.
 */
#if defined(__TARGET_ARCH_x86)
#define SYSCALL_NR(regs) ((long)(regs)->orig_ax)
#define NR_restart_syscall 219
#define NR_poll 7
#define NR_nanosleep 35
#define NR_clock_nanosleep 230
#define NR_futex 202
#define SYSCALL_ARG1(regs) ((regs)->di)
#define SYSCALL_ARG2(regs) ((regs)->si)
#define SYSCALL_ARG3(regs) ((regs)->dx)
#define SYSCALL_ARG4(regs) ((regs)->r10)
#define SYSCALL_ARG5(regs) ((regs)->r8)
#elif defined(__TARGET_ARCH_arm64)
#define SYSCALL_NR(regs) ((long)(regs)->syscallno)
#define NR_restart_syscall 128
#define NR_poll (-1) /* there is none */
#define NR_nanosleep 101
#define NR_clock_nanosleep 115
#define NR_futex 98
#define SYSCALL_ARG1(regs) ((regs)->orig_x0)
#define SYSCALL_ARG2(regs) ((regs)->regs[1])
#define SYSCALL_ARG3(regs) ((regs)->regs[2])
#define SYSCALL_ARG4(regs) ((regs)->regs[3])
#define SYSCALL_ARG5(regs) ((regs)->regs[4])
#else
#error "the system call registers of this architecture are not described here"
#endif

/*
 * By the helper and not by plain loads, where that is not what costs: for each pointer that a plain load yields, the
 * verifier searches all types of the kernel by name, which takes a millisecond.
 */
#define READ_KERNEL(into, from) bpf_probe_read_kernel(&(into), sizeof(into), &(from))

#define EAGAIN 11
#define ERESTART_RESTARTBLOCK 516 /* include/linux/errno.h */

/*
 * True inside a system call of the 32-bit interface, whose numbers mean other calls: int $0x80 works in every 64-bit
 * program. x86: TS_COMPAT in arch/x86/include/asm/thread_info.h, cleared only after the exit tracepoint
 * (arch_exit_to_user_mode_prepare). arm64: TIF_32BIT in arch/arm64/include/asm/thread_info.h. x32 needs no test: its
 * numbers carry bit 30 and so are beyond our table.
 */
static __always_inline bool in_compat_syscall(const struct task_struct* task) {
#if defined(__TARGET_ARCH_x86)
  return task->thread_info.status & 0x0002;
#else
  return task->thread_info.flags & (1ul << 22);
#endif
}

/*
 * A thread that the kernel made for io_uring or vhost in the process: PF_IO_WORKER | PF_USER_WORKER. Its registers are
 * a copy of those of whoever made it, and say nothing.
 */
static __always_inline bool is_worker(const struct task_struct* task) { return task->flags & 0x4010; }

/* True while task sleeps, interruptibly or not: TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE. A stopped task does not. */
static __always_inline bool sleeps(const struct task_struct* task) { return task->__state & 0x0003; }

#endif
