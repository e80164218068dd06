// The streaming half of the eBPF back end. See syscall_stream.bpf.c for what happens in the kernel.
#pragma once

#include <memory>

#include "probes/stream.h"
#include "probes/stream/goroutine_names.h"

namespace netpoll::probes {

// What is seen, and what is not:
// - the calls of every thread of the targets, at their return; where forks are followed, of their descendants. Of
//   one that had begun before we came the time since then is known; one in which its thread ends, or is when we leave,
//   is unfinished. The call in which a process comes into a cgroup has no time at all;
// - operations of io_uring, at their completion; those under way when their process ends, or we leave, are unfinished;
// - of a call that waits for events the first 2048 of them;
// - calls through the 32-bit interface are counted as lost;
// - hits of libruntime's USDT probes, wherever the program runs where there are several targets.
// Events that find no room are counted by CPU and said before that CPU's next event. goroutines: for Go programs; null:
// none are looked for.
Result<std::unique_ptr<StreamSource>> make_ebpf_stream(const StreamOptions& options,
                                                       std::unique_ptr<GoroutineNames> goroutines);

}  // namespace netpoll::probes
