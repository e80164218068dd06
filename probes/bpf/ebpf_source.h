// The eBPF back end: counts in the kernel, on the raw system call tracepoints, and hits of libruntime's USDT probes by
// uprobes. See syscall_counts.bpf.c for the kernel half.
#pragma once

#include <cstdint>
#include <memory>

#include "probes/source.h"

namespace netpoll::probes {

// For tests, which force rare paths.
struct EbpfTuning {
  std::uint32_t slots = 0;      // size of the kernel-side tables, a power of two; 0: as many as there can be processes
  bool single_uprobes = false;  // as on kernels before 6.6
};

// Loads the programs (about 15 ms, most of it relocation against the kernel's BTF), so that "does it work here" is
// answered before a target exists; attach() then only connects them.
//
// What is counted, and what is not:
// - the calls of every thread of the target, from attach (a held child: from its exec) to detach;
// - a call in which a thread sleeps at attach is ignored, start and end; one in which it sleeps at read() is included;
// - with follow_forks, descendants are counted until detach(), those that exist at attach too; wait() ends with the
//   targets themselves, as perf stat does;
// - of several targets, as many as SourceOptions::targets says are counted apart, in at most 256 MiB of kernel memory
//   (about 100 KiB per target and CPU). Tracepoints of several are probed wherever their programs run, which others of
//   the same program feel;
// - calls through the 32-bit interface (int $0x80) of a 64-bit program carry other numbers: they are not counted under
//   wrong names but added to Counts::lost. A 32-bit program is refused with kNotSupported.
// detach() takes about a millisecond. Breakpoints of USDT probes leave the target in the background at that time, and
// what the kernel keeps of them is freed some 20 ms later; the destructor waits for that.
Result<std::unique_ptr<Source>> make_ebpf_source(const SourceOptions& options, const EbpfTuning& tuning = {});

// Empty when this build contains the eBPF back end, else what the machine that built it lacked ("clang, bpftool").
std::string ebpf_missing_at_build();

}  // namespace netpoll::probes
