// The workload slow: answers larger than the client cares to read.
#include <cstring>
#include <memory>
#include <string>

#include "cli/workload/load/loads.h"
#include "cli/workload/payload.h"
#include "cli/workload/serve/accept.h"
#include "cli/workload/serve/frame_reader.h"
#include "cli/workload/serve/servers.h"

namespace netpoll::workload {
namespace {

// The whole answer goes down in one write(), which parks whenever the client's window is full.
void answer_requests(Server& server, Conn& conn, Traffic& traffic) {
  const std::size_t limit = server.plan().size;
  FrameReader requests(conn, kSlowRequestBytes);
  const auto answer = std::make_unique_for_overwrite<std::byte[]>(limit);
  for (;;) {
    auto frame = requests.next();
    if (!frame) return server.note_error(frame.error());
    if (!frame->has_value()) return;
    std::uint64_t request[2];
    std::memcpy(request, (*frame)->data(), sizeof(request));
    const auto [seed, size] = request;
    traffic.read += kSlowRequestBytes;
    if (size > limit) {
      return server.note_mismatch("a request for " + std::to_string(size) + " bytes, at most " + std::to_string(limit) +
                                  " were planned");
    }
    fill_payload({answer.get(), size}, seed);
    if (auto written = conn.write({answer.get(), size}); !written) return server.note_error(written.error());
    traffic.written += size;
    ++traffic.operations;
  }
}

}  // namespace

void serve_slow(Server& server) {
  Listener listener = server.listen();
  if (!listener.valid()) return;
  server.listening({listener.local().str()});
  accept_loop(server, listener, answer_requests);
}

}  // namespace netpoll::workload
