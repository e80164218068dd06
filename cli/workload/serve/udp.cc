// The workload udp: one socket for all datagrams.
#include <cerrno>
#include <memory>

#include "cli/workload/payload.h"
#include "cli/workload/serve/servers.h"
#include "netpoll/net/addr.h"
#include "netpoll/net/packet_conn.h"

namespace netpoll::workload {

void serve_udp(Server& server) {
  auto conn = PacketConn::bind(server.plan().listen);
  if (!conn) {
    if (conn.error().sys_errno() == EADDRINUSE) {
      return server.fail(std::move(conn.error()).with_hint("let the kernel choose the port: --listen 127.0.0.1:0"));
    }
    return server.fail(conn.error());
  }
  server.listening({conn->local().str()});
  constexpr std::size_t kLargest = 65'536;
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kLargest);
  Traffic traffic;
  for (;;) {
    Addr from;
    auto n = conn->read_from({buffer.get(), kLargest}, &from);
    if (!n) {
      server.note_error(n.error());
      break;
    }
    const std::span<const std::byte> message(buffer.get(), *n);
    traffic.read += *n;
    // A foreign client (--serve) has bytes of its own.
    if (!server.plan().serve_only &&
        (message.size() < kSeedBytes || !payload_matches(message, claimed_seed(message)))) {
      server.note_mismatch("a datagram of " + std::to_string(*n) + " bytes from " + from.str());
      continue;
    }
    if (auto written = conn->write_to(message, from); !written) {
      server.note_error(written.error());
      continue;
    }
    traffic.written += *n;
    ++traffic.operations;
  }
  server.add(traffic);
}

}  // namespace netpoll::workload
