#include "probes/bpf/counters.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace netpoll::probes {
namespace {

static_assert(NETPOLL_CALLS == kSyscallCount);
static_assert(NETPOLL_BUCKETS == kHistogramBuckets);
static_assert(NETPOLL_MAX_TRACEPOINTS >= trace::kTpCount);
static_assert(NETPOLL_CALL_epoll_wait == 0 && NETPOLL_CALL_epoll_pwait2 == 2, "waits[] is indexed by these rows");
// The kernel rounds elements of an array map up to eight bytes.
static_assert(sizeof(netpoll_cpu_counts) % 8 == 0);

// The kernel adds while we read.
std::uint64_t load(const __u64& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); }

int errno_of_slot(std::size_t slot) {
  if (slot < NETPOLL_USER_ERRNOS) return static_cast<int>(slot);
  return static_cast<int>(slot - NETPOLL_USER_ERRNOS + NETPOLL_KERNEL_ERRNO_BASE);
}

void add_call(SyscallCounts& total, const netpoll_call_counts& call) {
  const std::uint64_t count = load(call.count);
  if (count == 0) return;
  total.returned += count;
  for (std::size_t slot = 0; slot < NETPOLL_ERRNO_SLOTS; ++slot) {
    if (const std::uint64_t errors = load(call.errors[slot])) total.errors[errno_of_slot(slot)] += errors;
  }
}

void add_times(SyscallCounts& total, const netpoll_call_counts& call) {
  const std::uint64_t total_ns = load(call.total_ns);
  *total.total_ns += total_ns;
  *total.window_ns += total_ns + load(call.before_ns);
  for (std::size_t i = 0; i < NETPOLL_BUCKETS; ++i) (*total.latency)[i] += load(call.latency[i]);
}

constexpr int kRestartBlock = 516;  // ERESTART_RESTARTBLOCK in include/linux/errno.h of the kernel

// Begins a row with what it is to be less; all of these were added before they were undone.
void begin_undone(SyscallCounts& total, bool latency, const netpoll_undone& undone) {
  const std::uint64_t count = load(undone.count);
  total.returned -= count;
  if (count != 0) total.errors[kRestartBlock] -= count;
  if (!latency) return;
  const std::uint64_t total_ns = load(undone.total_ns);
  total.total_ns = -total_ns;
  total.window_ns = -total_ns - load(undone.before_ns);
  total.latency.emplace();
  for (std::size_t i = 0; i < NETPOLL_BUCKETS; ++i) (*total.latency)[i] -= load(undone.latency[i]);
}

}  // namespace

Counters::Counters(Counters&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), cpus_(other.cpus_), length_(other.length_) {}

Counters& Counters::operator=(Counters&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(cpus_, other.cpus_);
  std::swap(length_, other.length_);
  return *this;
}

Counters::~Counters() {
  if (base_ != nullptr) ::munmap(const_cast<netpoll_cpu_counts*>(base_), length_);
}

Result<Counters> Counters::map(int map_fd, std::size_t cpus) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  Counters counters;
  counters.cpus_ = cpus;
  counters.length_ = (cpus * sizeof(netpoll_cpu_counts) + page - 1) / page * page;
  void* base = ::mmap(nullptr, counters.length_, PROT_READ, MAP_SHARED, map_fd, 0);
  if (base == MAP_FAILED) return posix_error("mmap(BPF map counters)", errno);
  counters.base_ = static_cast<const netpoll_cpu_counts*>(base);
  return counters;
}

Counts Counters::sum(bool latency, const netpoll_undone (&undone)[NETPOLL_CALLS]) const {
  Counts total;
  for (std::size_t i = 0; i < kSyscallCount; ++i) begin_undone(total.syscalls[i], latency, undone[i]);
  for (std::size_t cpu = 0; cpu < cpus_; ++cpu) {
    const netpoll_cpu_counts& counts = base_[cpu];
    for (std::size_t i = 0; i < kSyscallCount; ++i) {
      add_call(total.syscalls[i], counts.calls[i]);
      if (latency) add_times(total.syscalls[i], counts.calls[i]);
    }
    total.ctl_add += load(counts.ctl[EPOLL_CTL_ADD]);
    total.ctl_mod += load(counts.ctl[EPOLL_CTL_MOD]);
    total.ctl_del += load(counts.ctl[EPOLL_CTL_DEL]);
    for (std::size_t i = 0; i < total.waits.size(); ++i) {
      total.waits[i].events += load(counts.waits[i].events);
      total.waits[i].empty += load(counts.waits[i].empty);
      total.waits[i].timeouts += load(counts.waits[i].timeouts);
    }
    total.foreign += load(counts.compat_calls);
    total.lost += load(counts.compat_calls) + load(counts.dropped);
  }
  for (SyscallCounts& syscall : total.syscalls) {
    syscall.count = syscall.returned;
    std::erase_if(syscall.errors, [](const auto& error) { return error.second == 0; });
  }
  return total;
}

std::uint64_t Counters::tracepoint(std::size_t row) const {
  std::uint64_t hits = 0;
  for (std::size_t cpu = 0; cpu < cpus_; ++cpu) hits += load(base_[cpu].tracepoints[row]);
  return hits;
}

}  // namespace netpoll::probes
