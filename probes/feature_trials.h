// The trials behind probe_features(), one per feature. Each may be called by itself, in any order.
#pragma once

#include <sys/types.h>

#include "probes/features.h"

namespace netpoll::probes {

Feature try_ebpf_build();   // compiled in
Feature try_kernel_btf();   // the kernel describes its types
Feature try_ebpf_counts();  // programs load, attach and count calls of our own
Feature try_usdt_probes();  // a program attaches to a function of our own
Feature try_perf_counts();  // counters of our own thread count calls of our own
Feature try_ptrace();       // a child of ours is traced
Feature try_read_memory();  // memory of a child of ours is read
Feature try_tracefs();
Feature try_open_files();

Feature try_target_exists(pid_t pid);
Feature try_target_countable(pid_t pid);
Feature try_target_memory(pid_t pid);
Feature try_target_untraced(pid_t pid);
Feature try_target_usdt(pid_t pid);

}  // namespace netpoll::probes
