// Sums the counters of all CPUs.
#include "probes/bpf/count_maps.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace netpoll::probes {
namespace {

static_assert(NETPOLL_CALLS == kSyscallCount);
static_assert(NETPOLL_BUCKETS == kHistogramBuckets);
static_assert(NETPOLL_MAX_TRACEPOINTS >= trace::kTpCount);
static_assert(NETPOLL_CALL_epoll_wait == 0 && NETPOLL_WAITS == kWaitCount, "waits[] is indexed by these rows");
static_assert(NETPOLL_EVENT_BUCKETS == kEventBuckets && NETPOLL_URING_OPS == kUringOps);
static_assert(NETPOLL_SOCKET_CALLS == kSocketCallCount && kSocketCallCount <= NETPOLL_SOCKET_ROW);
// The kernel rounds elements of an array map up to eight bytes.
static_assert(sizeof(netpoll_cpu_counts) % 8 == 0 && sizeof(netpoll_account) % 8 == 0);

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
  const std::uint64_t total_ns = load(call.total_ns), before_ns = load(call.before_ns);
  *total.window_ns += total_ns + before_ns;
  if (load(call.count) == 0) return;
  *total.total_ns += total_ns;
  total.blocked->count += load(call.blocked);
  total.blocked->ns += load(call.blocked_ns);
  for (std::size_t i = 0; i < NETPOLL_BUCKETS; ++i) (*total.latency)[i] += load(call.latency[i]);
}

// What a call's results add up to depends on the call.
void add_results(Counts& total, std::size_t row, const netpoll_call_counts& call) {
  const auto syscall = static_cast<Syscall>(row);
  const std::uint64_t sum = load(call.result);
  if (waits_for_events(syscall)) total.waits[row].events += sum;
  if (moves_bytes(syscall)) total.syscalls[row].bytes += sum;
}

void add_wait(Counts::Wait& total, const netpoll_wait_counts& wait) {
  for (std::size_t i = 0; i < NETPOLL_EVENT_BUCKETS; ++i) total.per_return[i] += load(wait.per_return[i]);
  total.empty += load(wait.per_return[0]);
  total.timeouts += load(wait.timed_out);
  total.asked_zero += load(wait.asked[NETPOLL_TIMEOUT_ZERO]);
  total.asked_timed += load(wait.asked[NETPOLL_TIMEOUT_TIMED]);
  total.asked_forever += load(wait.asked[NETPOLL_TIMEOUT_FOREVER]);
}

constexpr int kRestartBlock = 516;  // ERESTART_RESTARTBLOCK in include/linux/errno.h of the kernel

// Takes away what was undone; all of it was added before.
void subtract(SyscallCounts& total, bool latency, const netpoll_undone& undone) {
  const std::uint64_t count = load(undone.count);
  if (count != 0) {
    total.returned -= count;
    total.errors[kRestartBlock] -= count;
  }
  if (!latency) return;
  const std::uint64_t total_ns = load(undone.total_ns);
  *total.total_ns -= total_ns;
  *total.window_ns -= total_ns + load(undone.before_ns);
  if (count == 0) return;
  total.blocked->count -= load(undone.blocked);
  total.blocked->ns -= load(undone.blocked_ns);
  for (std::size_t i = 0; i < NETPOLL_BUCKETS; ++i) (*total.latency)[i] -= load(undone.latency[i]);
}

void add_cpu(Counts& total, bool latency, const netpoll_cpu_counts& counts) {
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    add_call(total.syscalls[i], counts.calls[i]);
    if (latency) add_times(total.syscalls[i], counts.calls[i]);
    add_results(total, i, counts.calls[i]);
  }
  total.ctl_add += load(counts.ctl[EPOLL_CTL_ADD]);
  total.ctl_mod += load(counts.ctl[EPOLL_CTL_MOD]);
  total.ctl_del += load(counts.ctl[EPOLL_CTL_DEL]);
  for (std::size_t i = 0; i < total.waits.size(); ++i) add_wait(total.waits[i], counts.waits[i]);
  for (std::size_t i = 0; i < kSocketCallCount; ++i) (*total.socket_calls)[i] += load(counts.socket_calls[i]);
  for (std::size_t i = 0; i < kUringOps; ++i) (*total.uring_ops)[i] += load(counts.uring_ops[i]);
  *total.spurious_wakeups += load(counts.spurious);
  total.foreign += load(counts.compat_calls);
  total.lost += load(counts.compat_calls) + load(counts.dropped);
}

std::size_t in_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

CountMaps::CountMaps(CountMaps&& other) noexcept { *this = std::move(other); }

CountMaps& CountMaps::operator=(CountMaps&& other) noexcept {
  std::swap(counts_, other.counts_);
  std::swap(accounts_, other.accounts_);
  std::swap(account_count_, other.account_count_);
  std::swap(cpus_, other.cpus_);
  return *this;
}

CountMaps::~CountMaps() {
  if (counts_ != nullptr) {
    ::munmap(const_cast<netpoll_cpu_counts*>(counts_), in_pages(account_count_ * cpus_ * sizeof(*counts_)));
  }
  if (accounts_ != nullptr) ::munmap(accounts_, in_pages(account_count_ * sizeof(*accounts_)));
}

Result<CountMaps> CountMaps::map(int counters_fd, int accounts_fd, std::size_t accounts, std::size_t cpus) {
  CountMaps mapped;
  mapped.account_count_ = accounts;
  mapped.cpus_ = cpus;
  void* counts =
      ::mmap(nullptr, in_pages(accounts * cpus * sizeof(netpoll_cpu_counts)), PROT_READ, MAP_SHARED, counters_fd, 0);
  if (counts == MAP_FAILED) return posix_error("mmap(BPF map counters)", errno);
  mapped.counts_ = static_cast<const netpoll_cpu_counts*>(counts);
  void* rest =
      ::mmap(nullptr, in_pages(accounts * sizeof(netpoll_account)), PROT_READ | PROT_WRITE, MAP_SHARED, accounts_fd, 0);
  if (rest == MAP_FAILED) return posix_error("mmap(BPF map accounts)", errno);
  mapped.accounts_ = static_cast<netpoll_account*>(rest);
  return mapped;
}

Counts CountMaps::sum(Range range, bool latency) const {
  Counts total;
  total.socket_calls.emplace();
  total.spurious_wakeups = 0;
  total.uring_ops.emplace();
  for (SyscallCounts& row : total.syscalls) {
    if (!latency) break;
    row.total_ns = row.window_ns = 0;
    row.latency.emplace();
    row.blocked.emplace();
  }
  for (std::size_t account = range.first; account < range.first + range.count; ++account) {
    for (std::size_t i = 0; i < kSyscallCount; ++i) {
      subtract(total.syscalls[i], latency, accounts_[account].undone[i]);
    }
    for (std::size_t cpu = 0; cpu < cpus_; ++cpu) add_cpu(total, latency, of_cpus(account)[cpu]);
  }
  for (SyscallCounts& syscall : total.syscalls) {
    syscall.count = syscall.returned;
    std::erase_if(syscall.errors, [](const auto& error) { return error.second == 0; });
  }
  return total;
}

std::uint64_t CountMaps::tracepoint(Range range, std::size_t row) const {
  std::uint64_t hits = 0;
  for (std::size_t i = 0; i < range.count * cpus_; ++i) hits += load(of_cpus(range.first)[i].tracepoints[row]);
  return hits;
}

void CountMaps::clear_in_flight() {
  for (std::size_t account = 0; account < account_count_; ++account) {
    std::fill(std::begin(accounts_[account].in_flight), std::end(accounts_[account].in_flight), netpoll_in_flight{});
    accounts_[account].live_processes = 0;
  }
}

void CountMaps::add_in_flight(Range range, Counts& counts) const {
  std::uint64_t processes = 0;
  for (std::size_t account = range.first; account < range.first + range.count; ++account) {
    processes += accounts_[account].live_processes;
    for (std::size_t i = 0; i < kSyscallCount; ++i) {
      const netpoll_in_flight& open = accounts_[account].in_flight[i];
      SyscallCounts& row = counts.syscalls[i];
      row.count += open.count - open.before;
      row.in_flight.count += open.count;
      row.in_flight.before += open.before;
      row.in_flight.longest_ns = std::max<std::uint64_t>(row.in_flight.longest_ns, open.longest_ns);
      if (row.window_ns) *row.window_ns += open.ns;
    }
  }
  counts.processes = processes;
}

}  // namespace netpoll::probes
