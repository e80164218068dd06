// Sums and messages that the goroutines of a server hand over.
#include "cli/workload/serve/server.h"

#include <unistd.h>

#include <utility>

namespace netpoll::workload {

Listener Server::listen(bool reuse_port) { return listen(plan().listen, reuse_port); }

Listener Server::listen(const std::string& address, bool reuse_port) {
  auto listener = Listener::listen(address, {.reuse_port = reuse_port});
  if (listener) return std::move(*listener);
  if (listener.error().sys_errno() == EADDRINUSE) {
    fail(std::move(listener.error()).with_hint("the address is in use; let the kernel choose: --listen 127.0.0.1:0"));
  } else {
    fail(listener.error());
  }
  return {};
}

void Server::post(ServerMessage message) {
  {
    const base::MutexLock lock(mutex_);
    messages_.push_back(std::move(message));
  }
  bell_.ring();
}

void Server::listening(std::vector<std::string> addresses) {
  post(Listening{.pid = getpid(), .addresses = std::move(addresses)});
}

void Server::fail(const Error& error) {
  if (error.is(ErrorKind::kCanceled) || error.is(ErrorKind::kClosing)) return;  // the run ends
  post(Failure{.message = error.message(), .hint = error.hint(), .exit_status = error.is(ErrorKind::kInvalid) ? 2 : 3});
}

void Server::finish(std::int64_t duration_ns) {
  {
    const base::MutexLock lock(mutex_);
    duration_ns_ = duration_ns;
  }
  finished_.store(true, std::memory_order_release);
  bell_.ring();
}

void Server::add(const Traffic& traffic) {
  bytes_read_.fetch_add(traffic.read, std::memory_order_relaxed);
  bytes_written_.fetch_add(traffic.written, std::memory_order_relaxed);
  operations_.fetch_add(traffic.operations, std::memory_order_relaxed);
}

void Server::set_accepted(std::vector<std::uint64_t> accepted) {
  const base::MutexLock lock(mutex_);
  accepted_ = std::move(accepted);
}

void Server::note_error(const Error& error) {
  if (error.is(ErrorKind::kCanceled) || error.is(ErrorKind::kClosing)) return;
  errors_.fetch_add(1, std::memory_order_relaxed);
  std::string text = error.message();
  const base::MutexLock lock(mutex_);
  if (first_error_.empty()) first_error_ = std::move(text);
}

void Server::note_mismatch(const std::string& what) {
  mismatches_.fetch_add(1, std::memory_order_relaxed);
  const base::MutexLock lock(mutex_);
  if (first_error_.empty()) first_error_ = "wrong bytes: " + what;
}

void Server::add_latency(std::int64_t ns) {
  const base::MutexLock lock(mutex_);
  latency_.add(ns);
}

std::vector<ServerMessage> Server::take_messages() {
  const base::MutexLock lock(mutex_);
  return std::exchange(messages_, {});
}

ServerResult Server::result() {
  const base::MutexLock lock(mutex_);
  ServerResult result;
  result.operations = operations_.load();
  result.connections = connections_.load();
  result.bytes_read = bytes_read_.load();
  result.bytes_written = bytes_written_.load();
  result.errors = errors_.load();
  result.mismatches = mismatches_.load();
  result.busy_rounds = busy_rounds_.load();
  result.accepted = accepted_;
  result.first_error = first_error_;
  if (plan().workload->driver() == Driver::kSelf) {
    result.latency = latency_.latency();
    result.duration_ns = duration_ns_;
  }
  return result;
}

}  // namespace netpoll::workload
