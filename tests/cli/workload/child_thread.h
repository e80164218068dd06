// child_thread.h: __serve or __load on a thread of the test, with the pipes the CLI would have.
#pragma once

#include <poll.h>

#include <csignal>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "cli/workload/args.h"
#include "cli/workload/protocol.h"
#include "cli/workload/workload.h"

namespace netpoll::test {

// Runs until it is destroyed, which stops it. One thread uses it.
class ChildThread {
 public:
  using Main = int (*)(std::span<char*>);

  ChildThread(Main main, workload::ChildArgs child)
      : link_(std::make_unique<workload::Link>(std::move(*workload::make_link()))), reader_(link_->report.get()) {
    child.control_fd = link_->child_control.get();
    child.report_fd = link_->child_report.get();
    args_ = to_args(child);
    thread_ = std::thread([this, main] {
      std::vector<char*> pointers;
      for (std::string& arg : args_) pointers.push_back(arg.data());
      exit_status_ = main(pointers);
      link_->child_report.reset();
    });
  }
  ~ChildThread() {
    if (thread_.joinable()) join();
  }

  void stop() { link_->control.reset(); }
  // Stops it, reads what it still says, and returns its exit status.
  int join() {
    stop();
    while (next_line()) {
    }
    thread_.join();
    return exit_status_;
  }
  // Waits for a line; nothing once the child has said its last.
  std::optional<std::string> next_line() {
    while (lines_.empty() && !reader_.at_end()) {
      pollfd polled{link_->report.get(), POLLIN, 0};
      poll(&polled, 1, -1);
      auto lines = reader_.read();
      if (!lines) return std::nullopt;
      lines_.insert(lines_.end(), lines->begin(), lines->end());
    }
    // By its first line a child has begun to ignore the signals that end a test at the terminal.
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, SIG_DFL);
    if (lines_.empty()) return std::nullopt;
    std::string line = std::move(lines_.front());
    lines_.pop_front();
    return line;
  }

 private:
  std::unique_ptr<workload::Link> link_;
  workload::LineReader reader_;
  std::deque<std::string> lines_;
  std::vector<std::string> args_;
  int exit_status_ = -1;
  std::thread thread_;
};

// A server's next message of type T; nothing when it says something else or no more.
template <typename T>
std::optional<T> next_from_server(ChildThread& child) {
  const auto line = child.next_line();
  if (!line) return std::nullopt;
  auto message = workload::parse_server_line(*line);
  if (!message || !message->has_value()) return std::nullopt;
  if (auto* wanted = std::get_if<T>(&**message)) return std::move(*wanted);
  return std::nullopt;
}

// What a load said, and how it ended.
struct Said {
  int exit_status = -1;
  std::optional<std::uint64_t> connected;
  std::vector<workload::Progress> progress;
  std::optional<workload::LoadResult> result;
  std::optional<workload::Failure> failure;
  int malformed = 0;
};

// Reads all a load says; with stop_after_progress it is stopped after the first progress line.
inline Said listen_to_load(ChildThread& load, bool stop_after_progress = false) {
  Said said;
  while (const auto line = load.next_line()) {
    auto message = workload::parse_load_line(*line);
    if (!message || !message->has_value()) {
      ++said.malformed;
      continue;
    }
    if (auto* c = std::get_if<workload::Connected>(&**message)) said.connected = c->connections;
    if (auto* p = std::get_if<workload::Progress>(&**message)) {
      said.progress.push_back(*p);
      if (stop_after_progress) load.stop();
    }
    if (auto* r = std::get_if<workload::LoadResult>(&**message)) said.result = *r;
    if (auto* f = std::get_if<workload::Failure>(&**message)) said.failure = *f;
  }
  said.exit_status = load.join();
  return said;
}

}  // namespace netpoll::test
