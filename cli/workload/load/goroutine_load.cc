// The load generator where there is no epoll: goroutines on libruntime, in a process of their own. It says the same as
// the other one (load/), checks the same bytes and ends connections in the same order.
#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/workload/load/goroutine_session.h"
#include "cli/workload/load/loads.h"
#include "cli/workload/payload.h"
#include "netpoll/net/dial.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/semaphore.h"
#include "netpoll/sync/wait_group.h"

namespace netpoll::workload {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::int64_t kAskedAtOnce = 256;
constexpr std::chrono::milliseconds kProgress{200};
// Once the run is to stop, what is in flight has so long to arrive.
constexpr std::chrono::seconds kGrace{1};

// One message down a connection, and its echo up again. Connection and message make the bytes (payload.h).
Result<void> send_message(Session& session, Conn& conn, std::uint64_t seed, std::span<std::byte> buffer) {
  const std::size_t size = session.plan().size;
  for (std::size_t done = 0; done < size;) {
    const auto piece = buffer.first(std::min(buffer.size(), size - done));
    fill_payload(piece, seed, done);
    if (auto written = conn.write(piece); !written) return std::move(written).error();
    done += piece.size();
    session.add_bytes(piece.size(), 0);
  }
  return {};
}

Result<void> read_message(Session& session, Conn& conn, std::uint64_t seed, std::span<std::byte> buffer) {
  const std::size_t size = session.plan().size;
  for (std::size_t done = 0; done < size;) {
    auto n = conn.read(buffer.first(std::min(buffer.size(), size - done)));
    if (!n) return std::move(n).error();
    if (*n == 0) return Error(ErrorKind::kProtocol, "the server closed it before the whole answer was there");
    const auto piece = buffer.first(*n);
    if (!payload_matches(piece, seed, done)) {
      return Error(ErrorKind::kProtocol, "wrong answer: " + describe_mismatch(piece, seed, done));
    }
    done += *n;
    session.add_bytes(0, *n);
  }
  return {};
}

// A free port of a loopback address by number, where the server is at one: closed connections keep their port.
Addr source_of(const std::string& address, std::uint64_t number) {
  if (!address.starts_with("127.")) return {};
  auto source = Addr::parse("127.0.0." + std::to_string(1 + number % 200) + ":0");
  return source ? *source : Addr();
}

class StreamLoad {
 public:
  explicit StreamLoad(Session& session) : session_(session), conns_(session), messages_(session.plan().conns, 0) {}

  Result<LoadResult> run() {
    conns_.connect_all();
    const Session::Phase phase = [this](std::uint64_t operations, TimePoint until) { run_phase(operations, until); };
    const Session::Phase silent = [this](std::uint64_t, TimePoint until) {
      stay_silent(until);
      ask_each();
    };
    return conns_.end_all(
        session_.measure(conns_.size(), phase, session_.plan().workload->stays_silent ? silent : phase));
  }

 private:
  void run_phase(std::uint64_t operations, TimePoint until) {
    Allowance allowance(session_, operations, until);
    conns_.for_each([&](std::uint64_t i) { converse(i, allowance); });
  }

  void ask_each() {
    const auto ask = [this](std::uint64_t i) {
      Allowance one(session_, 1, kNoDeadline);
      converse(i, one);
    };
    conns_.for_each(ask, kAskedAtOnce);
  }

  // Whoever speaks or ends before he is asked fails the run.
  void stay_silent(TimePoint until) {
    conns_.for_each([this, until](std::uint64_t i) {
      while (!session_.stopping() && steady_clock::now() < until) {
        std::byte byte{};
        if (auto set = conns_[i].set_read_deadline(std::min(until, after(kProgress))); !set) return;
        auto n = conns_[i].read({&byte, 1});
        if (!n && n.error().is(ErrorKind::kTimeout)) continue;
        if (!n) return session_.fail(about(i, std::move(n).error()));
        const char* what = *n == 0 ? "the server closed the connection" : "an answer nobody asked for";
        return session_.fail(about(i, Error(ErrorKind::kProtocol, what)));
      }
    });
  }

  // Messages as far as the allowance goes, --depth of them in flight: this goroutine reads the answers, another writes.
  void converse(std::uint64_t i, Allowance& allowance) {
    const auto depth = static_cast<std::int64_t>(session_.plan().depth);
    const auto connection = static_cast<std::uint32_t>(i);
    struct Asked {
      std::uint64_t seed;
      std::int64_t begun;
    };
    Conn& conn = conns_[i];
    Semaphore in_flight(depth);
    const Channel<Asked> asked(static_cast<std::size_t>(depth));
    WaitGroup writer;
    writer.go([&] {
      std::vector<std::byte> buffer(std::min(kPiece, session_.plan().size));
      while (in_flight.acquire() && allowance.take()) {
        const std::uint64_t seed = seed_of(connection, messages_[i]++);
        if (!asked.send({seed, base::nanotime()})) break;
        if (auto sent = send_message(session_, conn, seed, buffer); !sent) {
          session_.fail(about(i, std::move(sent).error()));
          break;
        }
      }
      asked.close();
    });
    std::vector<std::byte> buffer(std::min(kPiece, session_.plan().size));
    while (const auto next = asked.recv()) {
      auto answered = conn.set_read_deadline(session_.end_of_patience());
      if (answered) answered = read_message(session_, conn, next->seed, buffer);
      if (!answered) {
        session_.fail(about(i, std::move(answered).error()));
        asked.close();
        static_cast<void>(conn.close());  // which ends a write that is under way
        in_flight.release();
        break;
      }
      session_.complete(next->begun);
      in_flight.release();
    }
    writer.wait();
  }

  Session& session_;
  Connections conns_;
  std::vector<std::uint64_t> messages_;  // sent so far, by connection
};

// --conns goroutines, each with one connection after the other.
class ChurnLoad {
 public:
  explicit ChurnLoad(Session& session) : session_(session) {}

  Result<LoadResult> run() {
    const Session::Phase phase = [this](std::uint64_t operations, TimePoint until) {
      Allowance allowance(session_, operations, until);
      WaitGroup group;
      for (std::uint64_t i = 0; i < session_.plan().conns; ++i) {
        group.go([this, &allowance, i] {
          while (allowance.take()) use_once(static_cast<std::uint32_t>(i));
        });
      }
      group.wait();
    };
    auto result = session_.measure(0, phase, phase);
    if (result) result->connections = begun_.load();
    return result;
  }

 private:
  void use_once(std::uint32_t place) {
    const std::uint64_t number = begun_.fetch_add(1);
    const std::int64_t begun = base::nanotime();
    if (auto done = exchange(number, seed_of(place, number)); !done) {
      return session_.fail(about(number, std::move(done).error()));
    }
    session_.complete(begun);
  }

  Result<void> exchange(std::uint64_t number, std::uint64_t seed) {
    const std::string& address = session_.address(number);
    auto conn = dial(address, {.deadline = session_.end_of_patience(), .local = source_of(address, number)});
    if (!conn) return std::move(conn).error();
    std::vector<std::byte> buffer(std::min(kPiece, session_.plan().size));
    if (auto set = conn->set_deadline(session_.end_of_patience()); !set) return set;
    if (auto sent = send_message(session_, *conn, seed, buffer); !sent) return sent;
    if (auto answered = read_message(session_, *conn, seed, buffer); !answered) return answered;
    return end_in_order(session_, *conn);
  }

  Session& session_;
  std::atomic<std::uint64_t> begun_{0};
};

}  // namespace

Result<LoadResult> run_stream_load(Session& session) { return StreamLoad(session).run(); }
Result<LoadResult> run_churn_load(Session& session) { return ChurnLoad(session).run(); }

Result<LoadResult> run_load(const ChildArgs& child) {
  if (child.plan.workload->load == nullptr || child.addresses.empty()) {
    return Error(ErrorKind::kInvalid, "workload " + std::string(child.plan.workload->name) + ": nobody to load");
  }
  if (auto pinned = pin_to_cpu(child.plan.load_cpu); !pinned) return std::move(pinned).error();
  auto bell = Bell::make(child.control_fd);
  if (!bell) return std::move(bell).error();
  Session session(child, *bell);
  std::optional<Result<LoadResult>> result;
  std::atomic<bool> done{false};
  Runtime runtime;
  runtime.go([&] {
    result.emplace(child.plan.workload->load(session));
    done.store(true);
    bell->ring();
  });
  while (!done.load()) {
    if (bell->wait(static_cast<int>(kProgress.count()))) {
      session.stop();
      const auto give_up = steady_clock::now() + kGrace;
      while (!done.load() && steady_clock::now() < give_up) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      break;
    }
    if (!done.load()) session.report();
  }
  runtime.shutdown(Runtime::Shutdown::kCancel);
  return std::move(*result);
}

}  // namespace netpoll::workload
