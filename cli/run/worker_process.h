// WorkerProcess: a server or load generator of `run` where nothing traces it: this program again, talking to us in
// lines (cli/workload/protocol.h) that a thread of ours reads. One file a system: worker_process_posix.cc,
// worker_process_windows.cc.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "cli/run/crew.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// What both workers have to say, in the order of arrival. Thread-safe.
class Mailbox {
 public:
  void put(Report report) {
    const std::lock_guard lock(mutex_);
    reports_.push_back(std::move(report));
    filled_.notify_one();
  }
  // Waits for one, at most that long.
  std::optional<Report> take(std::chrono::milliseconds longest) {
    std::unique_lock lock(mutex_);
    if (!filled_.wait_for(lock, longest, [this] { return !reports_.empty(); })) return std::nullopt;
    Report report = std::move(reports_.front());
    reports_.pop_front();
    return report;
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Report> reports_;
};

// The path of this program; "" where the system does not tell.
std::string own_path();

// The destructor ends one that still lives. Not thread-safe.
class WorkerProcess {
 public:
  WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess();

  // Starts it, once. mailbox outlives this object.
  Result<void> start(const WorkerArguments& arguments, Role role, Mailbox& mailbox);
  int pid() const;
  // Closes the control pipe: it reports what it has and exits. Idempotent.
  void stop();
  // "ended with exit status 3", once it has; waits at most that long. Nothing: it goes on.
  std::optional<std::string> ending(std::chrono::milliseconds longest);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace netpoll::cli
