/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe_floor: programs that do nothing, at the entry and the exit of system calls. What they cost is the kernel's
 * share, below which no program of ours can come on the same machine.
 */
#include "probes/bpf/kernel_types.bpf.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_enter")
int BPF_PROG(floor_enter, struct pt_regs* regs, long nr) { return 0; }

SEC("tp_btf/sys_exit")
int BPF_PROG(floor_leave, struct pt_regs* regs, long result) { return 0; }
