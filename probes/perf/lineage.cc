// An event that counts nothing and is inherited by all that a process starts.
#include "probes/perf/lineage.h"

#include <linux/perf_event.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace netpoll::probes {
namespace {

std::size_t ring_size() { return 2 * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

// poll(2) of an event says POLLHUP when its process has ended and every event that was inherited from it is gone:
// is_event_hup() of kernel/events/core.c. It says so at once where the event has no ring, which one that is inherited
// may have only if it is bound to a CPU; which CPU makes no difference to the inheritance.
std::optional<PerfLineage> PerfLineage::watch(pid_t pid) {
  const int cpu = ::sched_getcpu();
  if (cpu < 0) return std::nullopt;
  perf_event_attr attr{};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_DUMMY;
  attr.disabled = 1;
  attr.exclude_kernel = 1;
  attr.inherit = 1;
  Fd event(static_cast<int>(::syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!event.valid()) return std::nullopt;
  void* ring = ::mmap(nullptr, ring_size(), PROT_READ | PROT_WRITE, MAP_SHARED, event.get(), 0);
  if (ring == MAP_FAILED) return std::nullopt;
  return PerfLineage(std::move(event), ring);
}

PerfLineage::PerfLineage(PerfLineage&& other) noexcept
    : event_(std::move(other.event_)), ring_(std::exchange(other.ring_, nullptr)) {}

PerfLineage& PerfLineage::operator=(PerfLineage&& other) noexcept {
  std::swap(event_, other.event_);
  std::swap(ring_, other.ring_);
  return *this;
}

PerfLineage::~PerfLineage() {
  if (ring_ != nullptr) ::munmap(ring_, ring_size());
}

bool PerfLineage::lives() const {
  pollfd fd{event_.get(), POLLIN, 0};
  return ::poll(&fd, 1, 0) <= 0 || (fd.revents & POLLHUP) == 0;
}

}  // namespace netpoll::probes
