// Counters: the kernel's counts of one Source, mapped into our memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "netpoll/result.h"
#include "probes/bpf/syscall_counts.h"
#include "probes/counts.h"

namespace netpoll::probes {

// A read-only view of the map `counters`, one element per CPU. Reading makes no system call and takes no lock; a total
// of a running target is therefore the sum of figures that are a few microseconds apart.
class Counters {
 public:
  Counters() = default;
  Counters(Counters&& other) noexcept;
  Counters& operator=(Counters&& other) noexcept;
  ~Counters();

  // Maps the array of cpus elements behind map_fd.
  static Result<Counters> map(int map_fd, std::size_t cpus);

  // Adds everything up, less what was undone. latency: whether times were measured; tracepoints stay nullopt.
  // Counts::lost gets what the programs themselves know to have missed.
  Counts sum(bool latency, const netpoll_undone (&undone)[NETPOLL_CALLS]) const;
  std::uint64_t tracepoint(std::size_t row) const;

 private:
  const netpoll_cpu_counts* base_ = nullptr;
  std::size_t cpus_ = 0;
  std::size_t length_ = 0;
};

}  // namespace netpoll::probes
