// CountMaps: the kernel's counts of one Source, mapped into our memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "netpoll/result.h"
#include "probes/bpf/syscall_counts.h"
#include "probes/counts.h"

namespace netpoll::probes {

// A view of the maps `counters` and `accounts`. Reading makes no system call and takes no lock; a total of a running
// target is therefore the sum of figures that are a few microseconds apart. Not thread-safe.
class CountMaps {
 public:
  // Some accounts that follow each other.
  struct Range {
    std::size_t first = 0;
    std::size_t count = 1;
  };

  CountMaps() = default;
  CountMaps(CountMaps&& other) noexcept;
  CountMaps& operator=(CountMaps&& other) noexcept;
  ~CountMaps();

  // Maps what is behind the two descriptors: one element per account and CPU, and one per account.
  static Result<CountMaps> map(int counters_fd, int accounts_fd, std::size_t accounts, std::size_t cpus);

  std::size_t accounts() const { return account_count_; }
  // Adds everything up, less what was undone. latency: whether times were measured; tracepoints stay nullopt.
  // Counts::lost gets what the programs themselves know to have missed.
  Counts sum(Range range, bool latency) const;
  std::uint64_t tracepoint(Range range, std::size_t row) const;
  // Before the kernel looks for calls in flight, and after it did.
  void clear_in_flight();
  void add_in_flight(Range range, Counts& counts) const;

 private:
  const netpoll_cpu_counts* of_cpus(std::size_t account) const { return counts_ + account * cpus_; }

  const netpoll_cpu_counts* counts_ = nullptr;
  netpoll_account* accounts_ = nullptr;
  std::size_t account_count_ = 0;
  std::size_t cpus_ = 0;
};

}  // namespace netpoll::probes
