// The workload fanin: many readers, one channel, one verifier.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/workload/payload.h"
#include "cli/workload/serve/accept.h"
#include "cli/workload/serve/frame_reader.h"
#include "cli/workload/serve/servers.h"
#include "netpoll/sync/channel.h"

namespace netpoll::workload {
namespace {

// A message on its way to the collector; one per connection, used again. Shared, because at the end of the run the
// connection may leave while the collector is still reading.
struct Item {
  explicit Item(std::size_t size) : message(size), verdict(1) {}
  std::vector<std::byte> message;
  Channel<bool> verdict;
};
using Items = Channel<std::shared_ptr<Item>>;

// The one goroutine where all messages meet.
void collect(Server& server, const Items& items) {
  for (const auto& item : items) {
    const std::uint64_t seed = claimed_seed(item->message);
    const bool ok = payload_matches(item->message, seed);
    if (!ok) server.note_mismatch(describe_mismatch(item->message, seed));
    if (!item->verdict.send(ok)) return;
  }
}

void deliver(Server& server, Conn& conn, Traffic& traffic, const Items& items) {
  FrameReader frames(conn, server.plan().size);
  const auto item = std::make_shared<Item>(server.plan().size);
  for (;;) {
    auto frame = frames.next();
    if (!frame) return server.note_error(frame.error());
    if (!frame->has_value()) return;
    const std::span<const std::byte> message = **frame;
    traffic.read += message.size();
    std::copy(message.begin(), message.end(), item->message.begin());
    if (!items.send(item)) return;
    const auto ok = item->verdict.recv();
    if (!ok || !*ok) return;  // the end of the run, or wrong bytes: they get no answer
    if (auto written = conn.write(message); !written) return server.note_error(written.error());
    traffic.written += message.size();
    ++traffic.operations;
  }
}

}  // namespace

void serve_fanin(Server& server) {
  Listener listener = server.listen();
  if (!listener.valid()) return;
  const Items items(64);
  go([&server, items] { collect(server, items); });
  server.listening({listener.local().str()});
  accept_loop(server, listener, [items](Server& s, Conn& conn, Traffic& traffic) { deliver(s, conn, traffic, items); });
}

}  // namespace netpoll::workload
