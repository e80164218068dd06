// goroutine_session.h: what the loads that are goroutines share: counts, the phases of a run, and connections.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/workload/args.h"
#include "cli/workload/bell.h"
#include "cli/workload/child.h"
#include "cli/workload/histogram.h"
#include "cli/workload/line.h"
#include "cli/workload/load/process_cpu.h"
#include "libruntime/base/clock.h"
#include "netpoll/base/mutex.h"
#include "netpoll/net/conn.h"
#include "netpoll/sync/semaphore.h"
#include "netpoll/sync/wait_group.h"

namespace netpoll::workload {

// What the goroutines of a load share with each other and with the main thread. Thread-safe.
class Session {
 public:
  // Ends when its operations were issued (0: no limit), at `until`, or when the run is stopping.
  using Phase = std::function<void(std::uint64_t operations, TimePoint until)>;

  Session(const ChildArgs& child, Bell& bell) : child_(child), bell_(bell) {}

  const Plan& plan() const { return child_.plan; }
  const std::string& address(std::uint64_t i) const { return child_.addresses[i % child_.addresses.size()]; }
  TimePoint end_of_patience() const { return after(child_.patience); }

  void stop() { stopping_.store(true); }
  bool stopping() const { return stopping_.load(); }

  // Keeps the first failure, and stops the rest.
  void fail(Error error) {
    if (error.is(ErrorKind::kCanceled) || error.is(ErrorKind::kClosing)) return;
    const base::MutexLock lock(mutex_);
    if (!failure_) failure_.emplace(std::move(error));
    stop();
  }
  std::optional<Error> failure() {
    const base::MutexLock lock(mutex_);
    return failure_;
  }

  void complete(std::int64_t begun) {
    const base::MutexLock lock(mutex_);
    histogram_.add(base::nanotime() - begun);
    ++result_.operations;
  }
  void add_bytes(std::uint64_t sent, std::uint64_t received) {
    const base::MutexLock lock(mutex_);
    result_.bytes_sent += sent;
    result_.bytes_received += received;
  }

  // The plan's warm-up, then the measured window.
  Result<LoadResult> measure(std::uint64_t connections, const Phase& warm_up, const Phase& measured) {
    if (plan().warmup > 0 && !stopping()) warm_up(plan().warmup, kNoDeadline);
    std::int64_t begin = 0;
    {
      const base::MutexLock lock(mutex_);
      const std::uint64_t warmup_operations = result_.operations;
      result_ = LoadResult{};
      result_.warmup_operations = warmup_operations;
      result_.connections = connections;
      histogram_.clear();
      begin = base::nanotime();
      opened_at_ = begin;
    }
    bell_.ring();
    const auto cpu = process_cpu_ns(child_.server_pid);
    if (!stopping()) measured(plan().ops, plan().duration.count() > 0 ? after(plan().duration) : kNoDeadline);
    const auto cpu_at_end = process_cpu_ns(child_.server_pid);
    const base::MutexLock lock(mutex_);
    if (failure_) return *failure_;
    if (cpu && cpu_at_end) result_.server_cpu_ns = *cpu_at_end - *cpu;
    result_.duration_ns = base::nanotime() - begin;
    if (result_.duration_ns > 0) {
      result_.requests_per_s = static_cast<double>(result_.operations) * 1e9 / static_cast<double>(result_.duration_ns);
    }
    result_.latency = histogram_.latency();
    return result_;
  }

  // For the main thread: says what there is to say while the window is open.
  void report() {
    std::optional<Progress> progress;
    std::uint64_t connections = 0;
    {
      const base::MutexLock lock(mutex_);
      if (!opened_at_) return;
      progress = Progress{.operations = result_.operations, .elapsed_ns = base::nanotime() - *opened_at_};
      connections = result_.connections;
    }
    if (!std::exchange(said_connected_, true)) say(Connected{.connections = connections});
    say(*progress);
  }
  void say(const LoadMessage& message) const { write_line(child_.report_fd, to_line(message)); }

 private:
  const ChildArgs& child_;
  Bell& bell_;
  std::atomic<bool> stopping_{false};
  bool said_connected_ = false;  // the main thread's

  base::Mutex mutex_;
  std::optional<Error> failure_ NETPOLL_GUARDED_BY(mutex_);
  std::optional<std::int64_t> opened_at_ NETPOLL_GUARDED_BY(mutex_);
  Histogram histogram_ NETPOLL_GUARDED_BY(mutex_);
  LoadResult result_ NETPOLL_GUARDED_BY(mutex_);
};

// Hands out the operations of one phase to whoever asks first. Thread-safe.
class Allowance {
 public:
  Allowance(const Session& session, std::uint64_t operations, TimePoint until)
      : session_(session), left_(operations > 0 ? static_cast<std::int64_t>(operations) : INT64_MAX), until_(until) {}

  bool take() {
    if (session_.stopping() || std::chrono::steady_clock::now() >= until_) return false;
    return left_.fetch_sub(1, std::memory_order_relaxed) > 0;
  }

 private:
  const Session& session_;
  std::atomic<std::int64_t> left_;
  const TimePoint until_;
};

inline Error about(std::uint64_t connection, Error error) {
  return std::move(error).within("connection " + std::to_string(connection));
}

// Our end of the stream, and the server's, which has seen ours then.
Result<void> end_in_order(Session& session, Conn& conn);

// The connections of a load, by number, and goroutines that each work on one.
class Connections {
 public:
  explicit Connections(Session& session) : session_(session), conns_(session.plan().conns) {}

  Conn& operator[](std::uint64_t i) { return conns_[i]; }
  std::uint64_t size() const { return conns_.size(); }

  // Runs work(i) for every connection, at most so many at once, and waits for all.
  template <typename F>
  void for_each(F work, std::int64_t at_once = INT64_MAX) {
    Semaphore places(at_once);
    WaitGroup group;
    for (std::uint64_t i = 0; i < conns_.size() && places.acquire(); ++i) {
      group.go([&places, &work, i] {
        work(i);
        places.release();
      });
    }
    group.wait();
  }

  // A failure is the session's. control: as in DialOptions.
  void connect_all(const std::function<Result<void>(int fd)>& control = {});

  // Each of them from both ends, with nothing left unread; `result`, or what went wrong. After a stop they stay.
  Result<LoadResult> end_all(Result<LoadResult> result);

 private:
  Session& session_;
  std::vector<Conn> conns_;
};

}  // namespace netpoll::workload
