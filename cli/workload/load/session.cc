// The wait of all load generators, and what they report.
#include "cli/workload/load/session.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace netpoll::workload {
namespace {

constexpr int kEvents = 1024;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kGraceNs = 1000 * kMillisecond;

// epoll_wait counts milliseconds, which is too coarse for the pauses of slow readers; epoll_pwait2 (Linux 5.11) is not.
int wait_for_events(int epfd, epoll_event* events, std::int64_t timeout_ns) {
  if (timeout_ns < 10 * kMillisecond) {
#ifdef SYS_epoll_pwait2
    const timespec timeout{.tv_sec = 0, .tv_nsec = static_cast<long>(timeout_ns)};
    const long n = syscall(SYS_epoll_pwait2, epfd, events, kEvents, &timeout, nullptr, 0);
    if (n >= 0 || errno != ENOSYS) return static_cast<int>(n);
#endif
    timeout_ns += kMillisecond - 1;
  }
  return epoll_wait(epfd, events, kEvents, static_cast<int>(timeout_ns / kMillisecond));
}

}  // namespace

Result<Session> Session::open(const ChildArgs& child) {
  Session session;
  session.child_ = &child;
  for (const std::string& address : child.addresses) {
    auto endpoint = Endpoint::parse(address);
    if (!endpoint) return std::move(endpoint).error();
    session.endpoints_.push_back(std::move(*endpoint));
  }
  if (session.endpoints_.empty()) return Error(ErrorKind::kInvalid, "--address is missing");
  session.epfd_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!session.epfd_.valid()) return posix_error("epoll_create1", errno);
  session.events_.resize(kEvents);
  if (child.control_fd >= 0) {
    epoll_event event{.events = EPOLLRDHUP, .data = {.u64 = kControl}};
    if (epoll_ctl(session.epfd(), EPOLL_CTL_ADD, child.control_fd, &event) != 0) {
      return posix_error("epoll_ctl(add, control pipe)", errno);
    }
  }
  // A process's CPU clock counts all its threads, also those that ended, in nanoseconds, and may be read by anybody.
  if (clockid_t clock = 0; child.server_pid > 0 && clock_getcpuclockid(child.server_pid, &clock) == 0) {
    session.server_clock_ = clock;
  }
  return session;
}

std::optional<std::int64_t> Session::server_cpu_ns() const {
  timespec t{};
  if (!server_clock_ || clock_gettime(*server_clock_, &t) != 0) return std::nullopt;
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

std::span<const epoll_event> Session::wait(std::int64_t until) {
  const std::int64_t before = base::nanotime();
  const std::int64_t wake = std::min(until, std::max(next_progress_, before));
  const int n = wait_for_events(epfd(), events_.data(), std::clamp<std::int64_t>(wake - before, 0, kProgressNs));
  std::size_t count = n > 0 ? static_cast<std::size_t>(n) : 0;
  for (std::size_t i = 0; i < count;) {
    if (events_[i].data.u64 != kControl) {
      ++i;
      continue;
    }
    // Its state does not go away; once is enough.
    stopping_ = true;
    give_up_at_ = before + kGraceNs;
    epoll_ctl(epfd(), EPOLL_CTL_DEL, child_->control_fd, nullptr);
    events_[i] = events_[--count];
  }
  if (before >= next_progress_) {
    if (window_open_) report(Progress{.operations = operations_, .elapsed_ns = before - opened_at_});
    next_progress_ = before + kProgressNs;
  }
  return {events_.data(), count};
}

void Session::open_window() {
  histogram_.clear();
  operations_ = bytes_sent_ = bytes_received_ = 0;
  window_open_ = true;
  opened_at_ = base::nanotime();
  next_progress_ = opened_at_ + kProgressNs;
  last_completion_ = opened_at_;
  server_cpu_at_open_ = server_cpu_ns();
}

LoadResult Session::close_window() {
  LoadResult result;
  const auto cpu = server_cpu_ns();
  if (cpu && server_cpu_at_open_) result.server_cpu_ns = *cpu - *server_cpu_at_open_;
  window_open_ = false;
  result.duration_ns = base::nanotime() - opened_at_;
  result.operations = operations_;
  result.bytes_sent = bytes_sent_;
  result.bytes_received = bytes_received_;
  if (result.duration_ns > 0) {
    result.requests_per_s = static_cast<double>(operations_) * 1e9 / static_cast<double>(result.duration_ns);
  }
  result.latency = histogram_.latency();
  return result;
}

Result<LoadResult> Session::measure(std::uint64_t connections, const Phase& warm_up, const Phase& measured) {
  if (plan().warmup > 0) {
    if (auto warm = warm_up(plan().warmup, INT64_MAX); !warm) return std::move(warm).error();
  }
  const std::uint64_t warmup_operations = operations_;
  report(Connected{.connections = connections});
  open_window();
  const std::int64_t until = plan().duration.count() > 0 ? base::nanotime() + plan().duration.count() : INT64_MAX;
  if (auto phase = measured(plan().ops, until); !phase) return std::move(phase).error();
  LoadResult result = close_window();
  result.connections = connections;
  result.warmup_operations = warmup_operations;
  return result;
}

Result<void> Session::check_stall() const {
  if (base::nanotime() - last_completion_ < patience_ns()) return {};
  return Error(ErrorKind::kTimeout, "no answer from the server for " + std::to_string(patience_ns() / 1'000'000'000) +
                                        " s after " + std::to_string(operations_) + " operations")
      .with_hint("see what it waits for: netpoll-trace snapshot -p " + std::to_string(child_->server_pid));
}

void Session::report(const LoadMessage& message) { write_line(child_->report_fd, to_line(message)); }

}  // namespace netpoll::workload
