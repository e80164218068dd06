// session.h: what all load generators share: the epoll instance, the control and report pipes, the measured window.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "cli/workload/args.h"
#include "cli/workload/histogram.h"
#include "cli/workload/line.h"
#include "cli/workload/load/endpoint.h"
#include "cli/workload/protocol.h"
#include "libruntime/base/clock.h"

namespace netpoll::workload {

// One thread owns a Session; it is not thread-safe. Times are of base::nanotime().
class Session {
 public:
  // child must outlive the Session.
  static Result<Session> open(const ChildArgs& child);

  const Plan& plan() const { return child_->plan; }
  // Endpoint for connection i: the addresses in turn.
  const Endpoint& endpoint(std::uint64_t i) const { return endpoints_[i % endpoints_.size()]; }
  int epfd() const { return epfd_.get(); }

  // Waits for events until `until` (ns; INT64_MAX: forever), the next progress report, or the stop of the run. Returns
  // events of descriptors added by the caller; their data.u64 must be below kControl.
  std::span<const epoll_event> wait(std::int64_t until);
  // Whether the CLI asked to stop (or is gone).
  bool stopping() const { return stopping_; }
  // The same a second later: what was in flight had that long to arrive, and the user wants an end.
  bool overdue(std::int64_t now) const { return stopping_ && now >= give_up_at_; }

  // One part of a load: ends after so many operations (0: no limit), at `until`, or when the run is stopping.
  using Phase = std::function<Result<void>(std::uint64_t operations, std::int64_t until)>;
  // What all loads do once `connections` stand: the plan's warm-up, then the measured window.
  Result<LoadResult> measure(std::uint64_t connections, const Phase& warm_up, const Phase& measured);

  // Counts an operation that was begun at `begun` and verified just now.
  void complete(std::int64_t begun, std::int64_t now) {
    histogram_.add(now - begun);
    ++operations_;
    last_completion_ = now;
  }
  void add_bytes(std::uint64_t sent, std::uint64_t received) {
    bytes_sent_ += sent;
    bytes_received_ += received;
  }
  std::uint64_t operations() const { return operations_; }

  // How long nothing may happen while something is expected (ChildArgs::patience).
  std::int64_t patience_ns() const { return child_->patience.count(); }
  // Fails when nothing completed for so long. Call it after each wait() while operations are in flight.
  Result<void> check_stall() const;
  // Restarts the stall clock where operations begin after a pause.
  void begin_waiting() { last_completion_ = base::nanotime(); }

  void report(const LoadMessage& message);

 private:
  static constexpr std::uint64_t kControl = UINT64_MAX;
  static constexpr std::int64_t kProgressNs = 200'000'000;

  Session() = default;
  // Opens the measured window, after everything counted so far has been forgotten.
  void open_window();
  // Ends the window and fills in what the session knows.
  LoadResult close_window();
  std::optional<std::int64_t> server_cpu_ns() const;

  const ChildArgs* child_ = nullptr;
  std::vector<Endpoint> endpoints_;
  Fd epfd_;
  std::vector<epoll_event> events_;
  std::optional<clockid_t> server_clock_;
  std::optional<std::int64_t> server_cpu_at_open_;
  Histogram histogram_;
  std::uint64_t operations_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_received_ = 0;
  std::int64_t opened_at_ = 0;
  std::int64_t last_completion_ = 0;
  std::int64_t next_progress_ = 0;
  bool window_open_ = false;
  bool stopping_ = false;
  std::int64_t give_up_at_ = 0;  // once stopping
};

}  // namespace netpoll::workload
