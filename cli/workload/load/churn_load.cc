// The load of churn: connections that are made, used once and closed.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "cli/workload/load/loads.h"
#include "cli/workload/load/session.h"
#include "cli/workload/payload.h"

namespace netpoll::workload {
namespace {

constexpr std::size_t kScratch = 64 * 1024;
// A closed connection keeps its port for a minute (TIME_WAIT) where the kernel may not reuse it sooner; spread over
// many source addresses, thousands of connections a second do not run out of ports.
constexpr std::uint64_t kSources = 200;

// One of --conns places in which connections live one after the other. connecting -> asking -> ending -> (next one)
struct Slot {
  enum class State { kFree, kConnecting, kAsking, kEnding };
  Fd fd;
  State state = State::kFree;
  std::uint64_t number = 0;  // of the connection, counted over all slots; its message's sequence number
  std::int64_t begun = 0;
  std::size_t sent = 0;
  std::size_t received = 0;
};

class ChurnLoad {
 public:
  explicit ChurnLoad(Session& session)
      : session_(session), size_(session.plan().size), slots_(session.plan().conns), scratch_(kScratch) {}

  Result<LoadResult> run();

 private:
  Result<void> run_phase(std::uint64_t operations, std::int64_t until);
  Result<void> begin(std::uint64_t i);
  Result<void> advance(std::uint64_t i);
  Result<bool> finish_connecting(Slot& slot);
  Result<bool> ask(Slot& slot, std::uint64_t i);
  Result<bool> await_answer(Slot& slot, std::uint64_t i);
  Result<bool> await_end(Slot& slot);
  Error failure(const Slot& slot, const std::string& what, int sys_errno = 0) const;

  Session& session_;
  const std::size_t size_;
  std::vector<Slot> slots_;
  std::vector<std::byte> scratch_;
  std::uint64_t may_begin_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t alive_ = 0;
};

Error ChurnLoad::failure(const Slot& slot, const std::string& what, int sys_errno) const {
  const std::string where = "connection " + std::to_string(slot.number) + ": " + what;
  if (sys_errno != 0) return posix_error(where, sys_errno);
  return Error(ErrorKind::kProtocol, where);
}

Result<void> ChurnLoad::begin(std::uint64_t i) {
  Slot& slot = slots_[i];
  --may_begin_;
  ++alive_;
  slot.number = begun_++;
  slot.begun = base::nanotime();
  slot.sent = slot.received = 0;
  const Endpoint& endpoint = session_.endpoint(slot.number);
  auto fd = make_socket(endpoint, SOCK_STREAM, 1 + slot.number % kSources);
  if (!fd) return std::move(fd).error();
  // A Unix socket whose queue is full says EAGAIN; it has no connect to wait for, so the only way is to try again.
  while (connect(fd->get(), endpoint.data(), endpoint.size()) != 0 && errno != EINPROGRESS) {
    if (errno != EAGAIN) return connect_error(endpoint, errno);
    usleep(100);
  }
  slot.fd = std::move(*fd);
  slot.state = Slot::State::kConnecting;
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = i}};
  if (epoll_ctl(session_.epfd(), EPOLL_CTL_ADD, slot.fd.get(), &event) != 0) return posix_error("epoll_ctl", errno);
  return {};
}

// The steps return true when the slot went on to its next state.
Result<bool> ChurnLoad::finish_connecting(Slot& slot) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(slot.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return connect_error(session_.endpoint(slot.number), error);
  slot.state = Slot::State::kAsking;
  return true;
}

Result<bool> ChurnLoad::ask(Slot& slot, std::uint64_t i) {
  while (slot.sent < size_) {
    const std::size_t length = std::min(size_ - slot.sent, kScratch);
    fill_payload({scratch_.data(), length}, seed_of(static_cast<std::uint32_t>(i), slot.number), slot.sent);
    const ssize_t n = send(slot.fd.get(), scratch_.data(), length, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return false;
    if (n < 0 && errno != EINTR) return failure(slot, "write", errno);
    if (n > 0) {
      slot.sent += static_cast<std::size_t>(n);
      session_.add_bytes(static_cast<std::uint64_t>(n), 0);
    }
  }
  return true;
}

Result<bool> ChurnLoad::await_answer(Slot& slot, std::uint64_t i) {
  while (slot.received < size_) {
    const ssize_t n = recv(slot.fd.get(), scratch_.data(), std::min(kScratch, size_ - slot.received), 0);
    if (n < 0 && errno == EAGAIN) return false;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure(slot, "read", errno);
    if (n == 0) return failure(slot, "the server closed it before the whole answer was there", ECONNRESET);
    const std::span<const std::byte> bytes(scratch_.data(), static_cast<std::size_t>(n));
    const std::uint64_t seed = seed_of(static_cast<std::uint32_t>(i), slot.number);
    if (!payload_matches(bytes, seed, slot.received)) {
      return failure(slot, "wrong answer: " + describe_mismatch(bytes, seed, slot.received));
    }
    slot.received += bytes.size();
    session_.add_bytes(0, bytes.size());
  }
  if (shutdown(slot.fd.get(), SHUT_WR) != 0) return failure(slot, "shutdown", errno);
  slot.state = Slot::State::kEnding;
  return true;
}

Result<bool> ChurnLoad::await_end(Slot& slot) {
  char byte;
  const ssize_t n = recv(slot.fd.get(), &byte, 1, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n < 0) return failure(slot, "waiting for its end", errno);
  if (n > 0) return failure(slot, "the server sent more than was asked");
  slot.fd.reset();
  slot.state = Slot::State::kFree;
  --alive_;
  session_.complete(slot.begun, base::nanotime());
  return true;
}

Result<void> ChurnLoad::advance(std::uint64_t i) {
  Slot& slot = slots_[i];
  if (slot.state == Slot::State::kConnecting) {
    if (auto step = finish_connecting(slot); !step) return std::move(step).error();
  }
  if (slot.state == Slot::State::kAsking) {
    auto sent = ask(slot, i);
    if (!sent) return std::move(sent).error();
    if (!*sent) return {};
    if (auto answered = await_answer(slot, i); !answered) return std::move(answered).error();
  }
  if (slot.state == Slot::State::kEnding) {
    auto ended = await_end(slot);
    if (!ended) return std::move(ended).error();
    if (*ended && may_begin_ > 0) return begin(i);
  }
  return {};
}

Result<void> ChurnLoad::run_phase(std::uint64_t operations, std::int64_t until) {
  may_begin_ = operations > 0 ? operations : UINT64_MAX;
  session_.begin_waiting();
  for (std::uint64_t i = 0; i < slots_.size() && may_begin_ > 0; ++i) {
    if (auto begun = begin(i); !begun) return begun;
  }
  while (alive_ > 0) {
    for (const epoll_event& event : session_.wait(until)) {
      if (auto advanced = advance(event.data.u64); !advanced) return advanced;
    }
    const std::int64_t now = base::nanotime();
    if (may_begin_ > 0 && (now >= until || session_.stopping())) {
      may_begin_ = 0;
      until = INT64_MAX;
    }
    if (session_.overdue(now)) return {};
    if (auto alive = session_.check_stall(); !alive) return alive;
  }
  return {};
}

Result<LoadResult> ChurnLoad::run() {
  const Session::Phase phase = [this](std::uint64_t operations, std::int64_t until) {
    return run_phase(operations, until);
  };
  auto result = session_.measure(0, phase, phase);
  if (result) result->connections = begun_;
  return result;
}

}  // namespace

Result<LoadResult> run_churn_load(Session& session) { return ChurnLoad(session).run(); }

}  // namespace netpoll::workload
