// The load of echo and its kin: requests in flight on connections that stay.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "cli/workload/load/connect.h"
#include "cli/workload/load/loads.h"
#include "cli/workload/payload.h"

namespace netpoll::workload {
namespace {

constexpr std::size_t kScratch = 64 * 1024;
// How many silent connections are asked at once. A packet on the loopback goes through a queue per CPU of
// net.core.netdev_max_backlog, 1,000 unless told otherwise; what finds it full is lost, and sent again after 0.2 s, 0.4
// s and so on. With 100,000 questions at once the last answers took more than half a minute.
constexpr std::uint64_t kAskedAtOnce = 256;
constexpr std::uint32_t kInterest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
constexpr std::uint32_t kHangup = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

// Messages of a connection are numbered; [received, issued) are in flight, [received, sent) are wholly written.
struct Connection {
  std::uint64_t issued = 0;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::size_t sent_bytes = 0;      // of message number `sent`
  std::size_t received_bytes = 0;  // of message number `received`
};

class StreamLoad {
 public:
  explicit StreamLoad(Session& session)
      : session_(session),
        size_(session.plan().size),
        depth_(session.plan().depth),
        connections_(session.plan().conns),
        begun_(session.plan().conns * session.plan().depth),
        scratch_(kScratch) {}

  Result<LoadResult> run();

 private:
  // Runs a closed loop until `operations` were issued (0: no bound) or `until` has come, and all answers are there.
  Result<void> run_phase(std::uint64_t operations, std::int64_t until);
  // Has every connection answer once, kAskedAtOnce at a time.
  Result<void> ask_each();
  Result<void> handle(std::span<const epoll_event> events);
  // Waits without sending anything. A connection that speaks or ends meanwhile is a failure.
  Result<void> stay_silent(std::int64_t until);
  Result<void> issue(std::uint64_t i, std::int64_t now);
  Result<void> flush(std::uint64_t i);
  Result<void> receive(std::uint64_t i, bool hangup);
  Result<void> consume(std::uint64_t i, std::span<const std::byte> bytes, std::int64_t now);
  Error failure(std::uint64_t i, const std::string& what, int sys_errno = 0) const;
  std::int64_t& begun(std::uint64_t i, std::uint64_t message) { return begun_[i * depth_ + message % depth_]; }

  Session& session_;
  const std::size_t size_;
  const std::uint64_t depth_;
  std::vector<Fd> fds_;
  std::vector<Connection> connections_;
  std::vector<std::int64_t> begun_;  // depth_ per connection, by message number modulo depth_
  std::vector<std::byte> scratch_;
  std::uint64_t may_issue_ = 0;
  std::uint64_t in_flight_ = 0;
};

Error StreamLoad::failure(std::uint64_t i, const std::string& what, int sys_errno) const {
  const std::string where =
      "connection " + std::to_string(i) + ", message " + std::to_string(connections_[i].received) + ": " + what;
  if (sys_errno != 0) {
    return posix_error(where, sys_errno).with_hint("the server ended or closed it; its own message says why");
  }
  return Error(ErrorKind::kProtocol, where);
}

Result<void> StreamLoad::issue(std::uint64_t i, std::int64_t now) {
  Connection& c = connections_[i];
  bool any = false;
  while (may_issue_ > 0 && c.issued - c.received < depth_) {
    begun(i, c.issued) = now;
    ++c.issued;
    ++in_flight_;
    --may_issue_;
    any = true;
  }
  if (!any) return {};
  return flush(i);
}

Result<void> StreamLoad::flush(std::uint64_t i) {
  Connection& c = connections_[i];
  while (c.sent < c.issued) {
    // As many messages as fit, so that a deep pipeline costs one write.
    std::size_t filled = 0;
    std::size_t skip = c.sent_bytes;
    for (std::uint64_t m = c.sent; m < c.issued && filled < kScratch; ++m) {
      const std::size_t length = std::min(size_ - skip, kScratch - filled);
      fill_payload({scratch_.data() + filled, length}, seed_of(static_cast<std::uint32_t>(i), m), skip);
      filled += length;
      skip = 0;
    }
    const ssize_t n = send(fds_[i].get(), scratch_.data(), filled, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return {};  // EPOLLOUT follows
      return failure(i, "write", errno);
    }
    session_.add_bytes(static_cast<std::uint64_t>(n), 0);
    const std::uint64_t total = c.sent_bytes + static_cast<std::uint64_t>(n);
    c.sent += total / size_;
    c.sent_bytes = total % size_;
    if (static_cast<std::size_t>(n) < filled) return {};
  }
  return {};
}

Result<void> StreamLoad::receive(std::uint64_t i, bool hangup) {
  for (;;) {
    const ssize_t n = recv(fds_[i].get(), scratch_.data(), kScratch, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return {};
      return failure(i, "read", errno);
    }
    if (n == 0) return failure(i, "the server closed the connection", ECONNRESET);
    const auto bytes = static_cast<std::size_t>(n);
    session_.add_bytes(0, bytes);
    const std::int64_t now = base::nanotime();
    if (auto consumed = consume(i, {scratch_.data(), bytes}, now); !consumed) return consumed;
    if (auto issued = issue(i, now); !issued) return issued;
    // A short read has drained a stream socket (epoll(7), question 9), unless its end shares the event.
    if (bytes < kScratch && !hangup) return {};
  }
}

Result<void> StreamLoad::consume(std::uint64_t i, std::span<const std::byte> bytes, std::int64_t now) {
  Connection& c = connections_[i];
  while (!bytes.empty()) {
    if (c.received == c.issued) return failure(i, "an answer nobody asked for");
    const std::size_t length = std::min(bytes.size(), size_ - c.received_bytes);
    const std::uint64_t seed = seed_of(static_cast<std::uint32_t>(i), c.received);
    if (!payload_matches(bytes.first(length), seed, c.received_bytes)) {
      return failure(i, "wrong answer: " + describe_mismatch(bytes.first(length), seed, c.received_bytes));
    }
    c.received_bytes += length;
    bytes = bytes.subspan(length);
    if (c.received_bytes < size_) continue;
    c.received_bytes = 0;
    session_.complete(begun(i, c.received), now);
    ++c.received;
    --in_flight_;
  }
  return {};
}

Result<void> StreamLoad::handle(std::span<const epoll_event> events) {
  for (const epoll_event& event : events) {
    const std::uint64_t i = event.data.u64;
    if ((event.events & EPOLLOUT) != 0) {
      if (auto flushed = flush(i); !flushed) return flushed;
    }
    if ((event.events & (EPOLLIN | kHangup)) != 0) {
      if (auto received = receive(i, (event.events & kHangup) != 0); !received) return received;
    }
  }
  return {};
}

Result<void> StreamLoad::ask_each() {
  session_.begin_waiting();
  for (std::uint64_t next = 0; next < connections_.size() || in_flight_ > 0;) {
    for (; next < connections_.size() && in_flight_ < kAskedAtOnce; ++next) {
      may_issue_ = 1;
      if (auto issued = issue(next, base::nanotime()); !issued) return issued;
    }
    if (auto handled = handle(session_.wait(INT64_MAX)); !handled) return handled;
    if (session_.stopping()) next = connections_.size();
    if (session_.overdue(base::nanotime())) return {};
    if (auto alive = session_.check_stall(); !alive) return alive;
  }
  return {};
}

Result<void> StreamLoad::run_phase(std::uint64_t operations, std::int64_t until) {
  may_issue_ = operations > 0 ? operations : UINT64_MAX;
  session_.begin_waiting();
  for (std::uint64_t i = 0; i < connections_.size() && may_issue_ > 0; ++i) {
    if (auto issued = issue(i, base::nanotime()); !issued) return issued;
  }
  while (in_flight_ > 0) {
    if (auto handled = handle(session_.wait(until)); !handled) return handled;
    const std::int64_t now = base::nanotime();
    if (may_issue_ > 0 && (now >= until || session_.stopping())) {
      may_issue_ = 0;
      until = INT64_MAX;
    }
    if (session_.overdue(now)) return {};
    if (auto alive = session_.check_stall(); !alive) return alive;
  }
  return {};
}

Result<void> StreamLoad::stay_silent(std::int64_t until) {
  while (base::nanotime() < until && !session_.stopping()) {
    for (const epoll_event& event : session_.wait(until)) {
      // The first event of a new connection says no more than that it can be written.
      if ((event.events & (EPOLLIN | kHangup)) == 0) continue;
      if (auto received = receive(event.data.u64, (event.events & kHangup) != 0); !received) return received;
    }
  }
  return {};
}

Result<LoadResult> StreamLoad::run() {
  const Plan& plan = session_.plan();
  auto connected = connect_all(session_, plan.conns, kInterest);
  if (!connected) {
    if (connected.error().is(ErrorKind::kCanceled)) return LoadResult{};
    return std::move(connected).error();
  }
  fds_ = std::move(*connected);

  const Session::Phase phase = [this](std::uint64_t operations, std::int64_t until) {
    return run_phase(operations, until);
  };
  const Session::Phase silent = [this](std::uint64_t, std::int64_t until) -> Result<void> {
    if (auto stayed = stay_silent(until); !stayed) return stayed;
    return ask_each();
  };
  auto result = session_.measure(plan.conns, phase, plan.workload->stays_silent ? silent : phase);
  // Failed, or stopped with answers outstanding: the streams cannot end in order.
  if (!result || in_flight_ > 0) return result;
  if (auto finished = finish_all(session_, fds_); !finished) return std::move(finished).error();
  return result;
}

}  // namespace

Result<LoadResult> run_stream_load(Session& session) { return StreamLoad(session).run(); }

}  // namespace netpoll::workload
