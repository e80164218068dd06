// The workload pipe: ping-pong between goroutines.
#include "netpoll/net/pipe.h"

#include <chrono>
#include <memory>

#include "cli/workload/payload.h"
#include "cli/workload/serve/budget.h"
#include "cli/workload/serve/frame_reader.h"
#include "cli/workload/serve/servers.h"
#include "netpoll/sync/wait_group.h"

namespace netpoll::workload {
namespace {

using std::chrono::steady_clock;

// Sends back what comes, until it ends. After an error it closes both ends, so that the partner does not wait for ever;
// at the end of the run it leaves them open, or the partner, not yet cancelled itself, would take that for an error.
void return_balls(Server& server, Conn& in, Conn& out) {
  const auto fail = [&](const Error& error) {
    server.note_error(error);
    if (error.is(ErrorKind::kCanceled)) return;
    (void)in.close();
    (void)out.close();
  };
  FrameReader frames(in, server.plan().size);
  for (;;) {
    auto frame = frames.next();
    if (!frame) return fail(frame.error());
    if (!frame->has_value()) return;
    if (auto written = out.write(**frame); !written) return fail(written.error());
  }
}

void play(Server& server, Budget& budget, std::uint32_t number) {
  auto there = pipe();
  if (!there) return server.fail(there.error());
  auto back = pipe();
  if (!back) return server.fail(back.error());
  server.add_connection();
  Conn out = std::move(there->second);
  Conn in = std::move(back->first);
  WaitGroup partner;
  partner.go([&server, &there, &back] { return_balls(server, there->first, back->second); });

  const std::size_t size = server.plan().size;
  const auto ball = std::make_unique_for_overwrite<std::byte[]>(size);
  FrameReader frames(in, size);
  Traffic traffic;
  for (std::uint64_t sequence = 0; budget.take(); ++sequence) {
    const auto begin = steady_clock::now();
    const std::uint64_t seed = seed_of(number, sequence);
    fill_payload({ball.get(), size}, seed);
    // Larger than a pipe's buffer works too: the partner cannot answer before it has the whole ball.
    if (auto written = out.write({ball.get(), size}); !written) {
      server.note_error(written.error());
      break;
    }
    traffic.written += size;
    auto frame = frames.next();
    if (!frame || !frame->has_value()) {
      if (!frame) server.note_error(frame.error());
      break;
    }
    traffic.read += size;
    if (!payload_matches(**frame, seed)) server.note_mismatch(describe_mismatch(**frame, seed));
    server.add_latency(since_ns(begin));
    ++traffic.operations;
  }
  (void)out.close();
  partner.wait();
  server.add(traffic);
}

}  // namespace

void serve_pipe(Server& server) {
  server.listening({});
  const auto begin = steady_clock::now();
  Budget budget(server.plan());
  WaitGroup group;
  for (std::uint64_t i = 0; i < server.plan().conns; ++i) {
    group.go([&server, &budget, i] { play(server, budget, static_cast<std::uint32_t>(i)); });
  }
  group.wait();
  server.finish(since_ns(begin));
}

}  // namespace netpoll::workload
