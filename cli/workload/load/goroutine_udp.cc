// The load of udp by goroutines: datagrams that are sent again when no answer comes.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "cli/workload/load/goroutine_session.h"
#include "cli/workload/load/loads.h"
#include "cli/workload/payload.h"
#include "netpoll/net/packet_conn.h"

namespace netpoll::workload {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kRetransmit{200};
constexpr std::size_t kAnswerRoom = 65'536;

Error about_datagram(std::uint64_t i, std::uint64_t number, Error error) {
  const bool refused = error.sys_errno() == ECONNREFUSED || error.sys_errno() == ECONNRESET;
  error = std::move(error).within("socket " + std::to_string(i) + ", datagram " + std::to_string(number));
  if (!refused) return error;
  return std::move(error).with_hint("nobody has that port: did the server start, or end already?");
}

class UdpLoad {
 public:
  explicit UdpLoad(Session& session) : session_(session), peers_(session.plan().conns) {}

  Result<LoadResult> run() {
    for (std::uint64_t i = 0; i < peers_.size(); ++i) {
      const auto address = Addr::parse(session_.address(i));
      if (!address) return address.error();
      auto conn = PacketConn::connect(*address);
      if (!conn) return std::move(conn).error();
      peers_[i].conn = std::move(*conn);
    }
    const Session::Phase phase = [this](std::uint64_t operations, TimePoint until) {
      retransmits_ = 0;
      Allowance allowance(session_, operations, until);
      WaitGroup group;
      for (std::uint64_t i = 0; i < peers_.size(); ++i) {
        group.go([this, &allowance, i] { converse(i, allowance); });
      }
      group.wait();
    };
    auto result = session_.measure(peers_.size(), phase, phase);
    if (result) result->retransmits = retransmits_;
    return result;
  }

 private:
  struct Peer {
    PacketConn conn;
    std::uint64_t number = 0;  // of the next datagram
  };

  void converse(std::uint64_t i, Allowance& allowance) {
    Peer& peer = peers_[i];
    std::vector<std::byte> message(session_.plan().size);
    std::vector<std::byte> answer(kAnswerRoom);
    for (; allowance.take(); ++peer.number) {
      if (auto echoed = exchange(i, message, answer); !echoed) {
        session_.fail(about_datagram(i, peer.number, std::move(echoed).error()));
      }
    }
  }

  // One datagram and its echo. Once the run is to stop it is not waited for any longer than for the next repetition.
  Result<void> exchange(std::uint64_t i, std::span<std::byte> message, std::span<std::byte> answer) {
    Peer& peer = peers_[i];
    const std::uint64_t seed = seed_of(static_cast<std::uint32_t>(i), peer.number);
    fill_payload(message, seed);
    const std::int64_t begun = base::nanotime();
    const TimePoint give_up = session_.end_of_patience();
    for (bool again = false;; again = true) {
      if (again) ++retransmits_;
      if (auto sent = peer.conn.write(message); !sent) return std::move(sent).error();
      session_.add_bytes(message.size(), 0);
      if (auto set = peer.conn.set_read_deadline(after(kRetransmit)); !set) return set;
      auto echoed = await_echo(i, seed, message.size(), answer);
      if (echoed) {
        session_.complete(begun);
        return {};
      }
      if (!echoed.error().is(ErrorKind::kTimeout) || steady_clock::now() >= give_up) return echoed;
      if (session_.stopping()) return {};
    }
  }

  Result<void> await_echo(std::uint64_t i, std::uint64_t seed, std::size_t size, std::span<std::byte> answer) {
    for (;;) {
      auto n = peers_[i].conn.read(answer);
      if (!n) return std::move(n).error();
      session_.add_bytes(0, *n);
      const std::span<const std::byte> bytes = answer.first(*n);
      if (bytes.size() != size) {
        return Error(ErrorKind::kProtocol,
                     "an answer of " + std::to_string(bytes.size()) + " bytes, expected " + std::to_string(size));
      }
      if (payload_matches(bytes, seed)) return {};
      // The second answer to a datagram that was sent twice is no mistake of the server's.
      const std::uint64_t claimed = claimed_seed(bytes);
      const bool late = connection_of(claimed) == i && sequence_of(claimed) < sequence_of(seed);
      if (!late || !payload_matches(bytes, claimed)) {
        return Error(ErrorKind::kProtocol, "wrong answer: " + describe_mismatch(bytes, seed));
      }
    }
  }

  Session& session_;
  std::vector<Peer> peers_;
  std::atomic<std::uint64_t> retransmits_{0};
};

}  // namespace

Result<LoadResult> run_udp_load(Session& session) { return UdpLoad(session).run(); }

}  // namespace netpoll::workload
