// The load of slow by goroutines: large answers, read a little at a time.
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "cli/workload/load/goroutine_session.h"
#include "cli/workload/load/loads.h"
#include "cli/workload/payload.h"
#include "netpoll/go.h"

namespace netpoll::workload {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kChunk = 16 * 1024;  // read per connection and pause
constexpr int kReceiveBuffer = 16 * 1024;  // small, so that the server's writes soon find no room

Result<void> narrow_window(int fd) {
  // A system that keeps its own size makes the load milder and no answer wrong.
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, reinterpret_cast<const char*>(&kReceiveBuffer), sizeof kReceiveBuffer);
  return {};
}

class SlowLoad {
 public:
  explicit SlowLoad(Session& session) : session_(session), conns_(session), answers_(session.plan().conns, 0) {}

  Result<LoadResult> run() {
    conns_.connect_all(narrow_window);
    const Session::Phase phase = [this](std::uint64_t operations, TimePoint until) {
      Allowance allowance(session_, operations, until);
      conns_.for_each([&](std::uint64_t i) {
        while (allowance.take()) {
          if (auto answered = ask_and_read(i); !answered) session_.fail(about(i, std::move(answered).error()));
        }
      });
    };
    return conns_.end_all(session_.measure(conns_.size(), phase, phase));
  }

 private:
  // One request and its answer. An answer at this pace may take long: once the run is to stop it is left unfinished.
  Result<void> ask_and_read(std::uint64_t i) {
    Conn& conn = conns_[i];
    const std::size_t size = session_.plan().size;
    const std::uint64_t seed = seed_of(static_cast<std::uint32_t>(i), answers_[i]++);
    const std::int64_t begun = base::nanotime();
    const std::uint64_t request[2] = {seed, size};
    static_assert(sizeof request == kSlowRequestBytes);
    if (auto written = conn.write(std::as_bytes(std::span(request))); !written) return std::move(written).error();
    session_.add_bytes(sizeof request, 0);
    std::vector<std::byte> buffer(std::min(kChunk, size));
    TimePoint tick = steady_clock::now();
    for (std::size_t done = 0; done < size;) {
      tick += session_.plan().pause;
      if (auto slept = sleep_until(tick); !slept || session_.stopping()) return slept;
      if (auto set = conn.set_read_deadline(session_.end_of_patience()); !set) return set;
      auto n = conn.read(std::span(buffer).first(std::min(buffer.size(), size - done)));
      if (!n) return std::move(n).error();
      if (*n == 0) return Error(ErrorKind::kProtocol, "the server closed it before the whole answer was there");
      const auto piece = std::span(buffer).first(*n);
      if (!payload_matches(piece, seed, done)) {
        return Error(ErrorKind::kProtocol, "wrong answer: " + describe_mismatch(piece, seed, done));
      }
      done += *n;
      session_.add_bytes(0, *n);
    }
    session_.complete(begun);
    return {};
  }

  Session& session_;
  Connections conns_;
  std::vector<std::uint64_t> answers_;  // asked for so far, by connection
};

}  // namespace

Result<LoadResult> run_slow_load(Session& session) { return SlowLoad(session).run(); }

}  // namespace netpoll::workload
