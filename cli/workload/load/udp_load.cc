// The load of udp: datagrams that are sent again when no answer comes.
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

constexpr std::size_t kMaxDatagram = 65'536;
constexpr std::int64_t kRetransmitNs = 200'000'000;

struct Peer {
  Fd fd;
  std::uint64_t number = 0;  // of the datagram in flight, or of the next one
  std::int64_t begun = 0;
  std::int64_t sent_at = 0;
  bool waiting = false;
};

class UdpLoad {
 public:
  explicit UdpLoad(Session& session)
      : session_(session), peers_(session.plan().conns), message_(session.plan().size), scratch_(kMaxDatagram) {}

  Result<LoadResult> run();

 private:
  Result<void> open_peers();
  Result<void> run_phase(std::uint64_t operations, std::int64_t until);
  Result<void> ask(std::uint64_t i, std::int64_t now);
  Result<void> transmit(std::uint64_t i, std::int64_t now);
  Result<void> receive(std::uint64_t i);
  Error failure(std::uint64_t i, const std::string& what, int sys_errno = 0) const;

  Session& session_;
  std::vector<Peer> peers_;
  std::vector<std::byte> message_;
  std::vector<std::byte> scratch_;
  std::uint64_t may_ask_ = 0;
  std::uint64_t waiting_ = 0;
  std::uint64_t retransmits_ = 0;
};

Error UdpLoad::failure(std::uint64_t i, const std::string& what, int sys_errno) const {
  const std::string where =
      "socket " + std::to_string(i) + ", datagram " + std::to_string(peers_[i].number) + ": " + what;
  if (sys_errno == ECONNREFUSED) {
    return posix_error(where, sys_errno).with_hint("nobody has that port: did the server start, or end already?");
  }
  if (sys_errno != 0) return posix_error(where, sys_errno);
  return Error(ErrorKind::kProtocol, where);
}

Result<void> UdpLoad::open_peers() {
  const std::uint64_t per_source = ports_per_source();
  for (std::uint64_t i = 0; i < peers_.size(); ++i) {
    const Endpoint& endpoint = session_.endpoint(i);
    auto fd = make_socket(endpoint, SOCK_DGRAM, peers_.size() > per_source ? i / per_source + 1 : 0);
    if (!fd) return std::move(fd).error();
    if (connect(fd->get(), endpoint.data(), endpoint.size()) != 0) return connect_error(endpoint, errno);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    if (epoll_ctl(session_.epfd(), EPOLL_CTL_ADD, fd->get(), &event) != 0) return posix_error("epoll_ctl", errno);
    peers_[i].fd = std::move(*fd);
  }
  return {};
}

Result<void> UdpLoad::transmit(std::uint64_t i, std::int64_t now) {
  Peer& peer = peers_[i];
  peer.sent_at = now;
  fill_payload(message_, seed_of(static_cast<std::uint32_t>(i), peer.number));
  const ssize_t n = send(peer.fd.get(), message_.data(), message_.size(), MSG_NOSIGNAL);
  // A full queue loses the datagram like the network may; the retransmission covers it.
  if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EINTR) return failure(i, "send", errno);
  session_.add_bytes(message_.size(), 0);
  return {};
}

Result<void> UdpLoad::ask(std::uint64_t i, std::int64_t now) {
  --may_ask_;
  ++waiting_;
  peers_[i].waiting = true;
  peers_[i].begun = now;
  return transmit(i, now);
}

Result<void> UdpLoad::receive(std::uint64_t i) {
  Peer& peer = peers_[i];
  const ssize_t n = recv(peer.fd.get(), scratch_.data(), scratch_.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n < 0) return failure(i, "receive", errno);
  const std::span<const std::byte> bytes(scratch_.data(), static_cast<std::size_t>(n));
  session_.add_bytes(0, bytes.size());
  if (bytes.size() != message_.size()) {
    return failure(
        i, "an answer of " + std::to_string(bytes.size()) + " bytes, expected " + std::to_string(message_.size()));
  }
  const std::uint64_t seed = seed_of(static_cast<std::uint32_t>(i), peer.number);
  if (!payload_matches(bytes, seed)) {
    // The second answer to a datagram that was sent twice is no mistake of the server's.
    const std::uint64_t claimed = claimed_seed(bytes);
    if (connection_of(claimed) == i && sequence_of(claimed) < (peer.number & 0xffffffff) &&
        payload_matches(bytes, claimed)) {
      return {};
    }
    return failure(i, "wrong answer: " + describe_mismatch(bytes, seed));
  }
  if (!peer.waiting) return {};
  const std::int64_t now = base::nanotime();
  session_.complete(peer.begun, now);
  ++peer.number;
  peer.waiting = false;
  --waiting_;
  return may_ask_ > 0 ? ask(i, now) : Result<void>();
}

Result<void> UdpLoad::run_phase(std::uint64_t operations, std::int64_t until) {
  may_ask_ = operations > 0 ? operations : UINT64_MAX;
  session_.begin_waiting();
  for (std::uint64_t i = 0; i < peers_.size() && may_ask_ > 0; ++i) {
    if (auto asked = ask(i, base::nanotime()); !asked) return asked;
  }
  std::int64_t next_scan = base::nanotime() + kRetransmitNs / 4;
  while (waiting_ > 0) {
    for (const epoll_event& event : session_.wait(std::min(until, next_scan))) {
      if (auto received = receive(event.data.u64); !received) return received;
    }
    const std::int64_t now = base::nanotime();
    if (may_ask_ > 0 && (now >= until || session_.stopping())) {
      may_ask_ = 0;
      until = INT64_MAX;
    }
    if (now >= next_scan) {
      next_scan = now + kRetransmitNs / 4;
      for (std::uint64_t i = 0; i < peers_.size(); ++i) {
        if (!peers_[i].waiting || now - peers_[i].sent_at < kRetransmitNs) continue;
        ++retransmits_;
        if (auto sent = transmit(i, now); !sent) return sent;
      }
    }
    if (session_.overdue(now)) return {};
    if (auto alive = session_.check_stall(); !alive) return alive;
  }
  return {};
}

Result<LoadResult> UdpLoad::run() {
  if (auto opened = open_peers(); !opened) return std::move(opened).error();
  const Session::Phase phase = [this](std::uint64_t operations, std::int64_t until) {
    retransmits_ = 0;
    return run_phase(operations, until);
  };
  auto result = session_.measure(session_.plan().conns, phase, phase);
  if (result) result->retransmits = retransmits_;
  return result;
}

}  // namespace

Result<LoadResult> run_udp_load(Session& session) { return UdpLoad(session).run(); }

}  // namespace netpoll::workload
