// The half of the process table that user space does: add_target() of ids.bpf.h again.
#include "probes/bpf/process_table.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fstream>
#include <utility>

#include "probes/bpf/syscall_counts.h"

namespace netpoll::probes {
namespace {

bool take(std::uint64_t* slot, std::uint64_t state, std::uint64_t process) {
  return __atomic_compare_exchange_n(slot, &state, process, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

}  // namespace

std::uint32_t ProcessTable::default_slots() {
  std::uint32_t pid_max = NETPOLL_MAX_SLOTS;
  std::ifstream("/proc/sys/kernel/pid_max") >> pid_max;
  return std::clamp<std::uint32_t>(std::bit_ceil(pid_max), 1024, NETPOLL_MAX_SLOTS);
}

ProcessTable::ProcessTable(ProcessTable&& other) noexcept { *this = std::move(other); }

ProcessTable& ProcessTable::operator=(ProcessTable&& other) noexcept {
  std::swap(slots_, other.slots_);
  std::swap(count_, other.count_);
  std::swap(overflow_fd_, other.overflow_fd_);
  return *this;
}

ProcessTable::~ProcessTable() {
  if (slots_ != nullptr) ::munmap(slots_, count_ * sizeof(*slots_));
}

Result<ProcessTable> ProcessTable::map(int table_fd, int overflow_fd, std::size_t slots) {
  ProcessTable table;
  void* base = ::mmap(nullptr, slots * sizeof(*slots_), PROT_READ | PROT_WRITE, MAP_SHARED, table_fd, 0);
  if (base == MAP_FAILED) return posix_error("mmap(BPF map processes)", errno);
  table.slots_ = static_cast<std::uint64_t*>(base);
  table.count_ = slots;
  table.overflow_fd_ = overflow_fd;
  return table;
}

Result<void> ProcessTable::add(std::uint32_t tgid, std::uint32_t account) {
  const std::uint64_t process = static_cast<std::uint64_t>(account) << 32 | tgid;
  std::uint64_t* slot = &slots_[tgid & (count_ - 1)];
  if (take(slot, NETPOLL_VIRGIN, process) || take(slot, NETPOLL_VACATED, process)) return {};
  if (bpf_map_update_elem(overflow_fd_, &tgid, &process, BPF_ANY) != 0) {
    return posix_error("update the BPF map processes_overflow", errno);
  }
  return {};
}

}  // namespace netpoll::probes
