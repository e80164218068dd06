// server.h: what the goroutines of every workload share with the main thread of the server process.
//
// The main thread does not take part in the workload: it waits (bell.h) for the end of the control pipe, and prints
// what goroutines hand over. So everything that reaches the poller of the runtime belongs to the workload.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/workload/args.h"
#include "cli/workload/bell.h"
#include "cli/workload/histogram.h"
#include "cli/workload/protocol.h"
#include "netpoll/base/mutex.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/listener.h"

namespace netpoll::workload {

// What one connection moved. Kept by its goroutine and added to the server's sum at the end of the connection, so that
// connections share no cache line while they work.
struct Traffic {
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  std::uint64_t operations = 0;
};

// Thread-safe; outlives the Runtime.
class Server {
 public:
  // Both outlive it; bell is rung when there is something for the main thread.
  Server(const ChildArgs& child, Bell& bell) : child_(child), bell_(bell) {}

  const Plan& plan() const { return child_.plan; }

  // Listens where the plan says; a failure has been posted when nothing valid is returned.
  Listener listen(bool reuse_port = false);
  Listener listen(const std::string& address, bool reuse_port);

  // Messages for the CLI, printed by the main thread. A Failure ends the process, and so does finish().
  void listening(std::vector<std::string> addresses);
  void fail(const Error& error);
  // The work of a self-driven workload is done.
  void finish(std::int64_t duration_ns);

  void add_connection() { connections_.fetch_add(1, std::memory_order_relaxed); }
  void add(const Traffic& traffic);
  void add_busy_rounds(std::uint64_t rounds) { busy_rounds_.fetch_add(rounds, std::memory_order_relaxed); }
  void set_accepted(std::vector<std::uint64_t> accepted);
  // An I/O error of a connection. The end of the run (kCanceled, kClosing) is none.
  void note_error(const Error& error);
  void note_mismatch(const std::string& what);
  // One operation of a self-driven workload.
  void add_latency(std::int64_t ns);

  // For the main thread: takes what was posted; and, after the runtime has shut down, the sums.
  std::vector<ServerMessage> take_messages();
  bool finished() const { return finished_.load(std::memory_order_acquire); }
  ServerResult result();

 private:
  void post(ServerMessage message);

  const ChildArgs& child_;
  Bell& bell_;
  std::atomic<std::uint64_t> operations_{0};
  std::atomic<std::uint64_t> connections_{0};
  std::atomic<std::uint64_t> bytes_read_{0};
  std::atomic<std::uint64_t> bytes_written_{0};
  std::atomic<std::uint64_t> errors_{0};
  std::atomic<std::uint64_t> mismatches_{0};
  std::atomic<std::uint64_t> busy_rounds_{0};
  std::atomic<bool> finished_{false};

  base::Mutex mutex_;  // held for a few instructions
  std::vector<ServerMessage> messages_ NETPOLL_GUARDED_BY(mutex_);
  std::vector<std::uint64_t> accepted_ NETPOLL_GUARDED_BY(mutex_);
  std::string first_error_ NETPOLL_GUARDED_BY(mutex_);
  Histogram latency_ NETPOLL_GUARDED_BY(mutex_);
  std::int64_t duration_ns_ NETPOLL_GUARDED_BY(mutex_) = 0;
};

}  // namespace netpoll::workload
