// ProcessTable: the map `processes` of ids.bpf.h, filled from user space.
#pragma once

#include <cstddef>
#include <cstdint>

#include "netpoll/result.h"

namespace netpoll::probes {

// Owns a mapping of the table. Not thread-safe; the kernel may fill it at the same time.
class ProcessTable {
 public:
  ProcessTable() = default;
  ProcessTable(ProcessTable&& other) noexcept;
  ProcessTable& operator=(ProcessTable&& other) noexcept;
  ~ProcessTable();

  // Enough for every process id this machine can have, up to NETPOLL_MAX_SLOTS: then no two ids share a slot.
  static std::uint32_t default_slots();

  // slots: of the map behind table_fd, a power of two. overflow_fd is borrowed.
  static Result<ProcessTable> map(int table_fd, int overflow_fd, std::size_t slots);

  // Makes tgid, a number of the initial pid namespace, a target that is counted in account.
  Result<void> add(std::uint32_t tgid, std::uint32_t account);

 private:
  std::uint64_t* slots_ = nullptr;
  std::size_t count_ = 0;
  int overflow_fd_ = -1;
};

}  // namespace netpoll::probes
