// The load of slow: large answers, read a little at a time.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "cli/workload/load/connect.h"
#include "cli/workload/load/loads.h"
#include "cli/workload/payload.h"

namespace netpoll::workload {
namespace {

constexpr std::size_t kChunk = 16 * 1024;  // read per connection and pause
constexpr int kReceiveBuffer = 16 * 1024;  // small, so that the server's writes soon find no room

struct Reader {
  std::uint64_t number = 0;  // of the answer being read
  std::size_t received = 0;
  std::int64_t begun = 0;
  bool waiting = false;
};

// Readers are not driven by readiness but by the clock: that is what makes them slow.
class SlowLoad {
 public:
  explicit SlowLoad(Session& session)
      : session_(session), size_(session.plan().size), readers_(session.plan().conns), scratch_(kChunk) {}

  Result<LoadResult> run();

 private:
  Result<void> run_phase(std::uint64_t operations, std::int64_t until);
  Result<void> ask(std::uint64_t i);
  Result<void> read_some(std::uint64_t i);
  Error failure(std::uint64_t i, const std::string& what, int sys_errno = 0) const;

  Session& session_;
  const std::size_t size_;
  std::vector<Fd> fds_;
  std::vector<Reader> readers_;
  std::vector<std::byte> scratch_;
  std::uint64_t may_ask_ = 0;
  std::uint64_t waiting_ = 0;
};

Error SlowLoad::failure(std::uint64_t i, const std::string& what, int sys_errno) const {
  const std::string where = "connection " + std::to_string(i) + ", answer " + std::to_string(readers_[i].number) +
                            ", byte " + std::to_string(readers_[i].received) + ": " + what;
  if (sys_errno != 0) return posix_error(where, sys_errno);
  return Error(ErrorKind::kProtocol, where);
}

Result<void> SlowLoad::ask(std::uint64_t i) {
  Reader& reader = readers_[i];
  --may_ask_;
  ++waiting_;
  reader.waiting = true;
  reader.begun = base::nanotime();
  const std::uint64_t request[2] = {seed_of(static_cast<std::uint32_t>(i), reader.number), size_};
  static_assert(sizeof(request) == kSlowRequestBytes);
  // The previous answer was read to its end, so the socket has room for 16 bytes.
  const ssize_t n = send(fds_[i].get(), request, sizeof(request), MSG_NOSIGNAL);
  if (n != sizeof(request)) return failure(i, "write of the request", n < 0 ? errno : EIO);
  session_.add_bytes(sizeof(request), 0);
  return {};
}

Result<void> SlowLoad::read_some(std::uint64_t i) {
  Reader& reader = readers_[i];
  const std::size_t length = std::min(kChunk, size_ - reader.received);
  const ssize_t n = recv(fds_[i].get(), scratch_.data(), length, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n < 0) return failure(i, "read", errno);
  if (n == 0) return failure(i, "the server closed the connection", ECONNRESET);
  const std::span<const std::byte> bytes(scratch_.data(), static_cast<std::size_t>(n));
  const std::uint64_t seed = seed_of(static_cast<std::uint32_t>(i), reader.number);
  if (!payload_matches(bytes, seed, reader.received)) {
    return failure(i, "wrong answer: " + describe_mismatch(bytes, seed, reader.received));
  }
  session_.add_bytes(0, bytes.size());
  reader.received += bytes.size();
  if (reader.received < size_) return {};
  reader.received = 0;
  ++reader.number;
  reader.waiting = false;
  --waiting_;
  session_.complete(reader.begun, base::nanotime());
  return may_ask_ > 0 ? ask(i) : Result<void>();
}

Result<void> SlowLoad::run_phase(std::uint64_t operations, std::int64_t until) {
  may_ask_ = operations > 0 ? operations : UINT64_MAX;
  session_.begin_waiting();
  for (std::uint64_t i = 0; i < readers_.size() && may_ask_ > 0; ++i) {
    if (auto asked = ask(i); !asked) return asked;
  }
  const std::int64_t pause = session_.plan().pause.count();
  std::int64_t tick = base::nanotime();
  while (waiting_ > 0) {
    tick += pause;
    while (base::nanotime() < tick && !session_.stopping()) (void)session_.wait(tick);
    if (session_.stopping()) return {};  // an answer at this pace may take long; what is complete counts
    if (base::nanotime() >= until) may_ask_ = 0;
    for (std::uint64_t i = 0; i < readers_.size(); ++i) {
      if (!readers_[i].waiting) continue;
      if (auto read = read_some(i); !read) return read;
    }
    // Long answers complete rarely: the stall clock follows the bytes of a whole answer at this pace.
    const auto pace = static_cast<std::int64_t>(size_ / kChunk + 1) * pause;
    if (pace < session_.patience_ns() / 2) {
      if (auto alive = session_.check_stall(); !alive) return alive;
    }
  }
  return {};
}

Result<LoadResult> SlowLoad::run() {
  const Plan& plan = session_.plan();
  auto connected = connect_all(session_, plan.conns, 0, kReceiveBuffer);
  if (!connected) {
    if (connected.error().is(ErrorKind::kCanceled)) return LoadResult{};
    return std::move(connected).error();
  }
  fds_ = std::move(*connected);
  const Session::Phase phase = [this](std::uint64_t operations, std::int64_t until) {
    return run_phase(operations, until);
  };
  auto result = session_.measure(plan.conns, phase, phase);
  if (!result || waiting_ > 0) return result;  // failed, or stopped
  if (auto finished = finish_all(session_, fds_); !finished) return std::move(finished).error();
  return result;
}

}  // namespace

Result<LoadResult> run_slow_load(Session& session) { return SlowLoad(session).run(); }

}  // namespace netpoll::workload
