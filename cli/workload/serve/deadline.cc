// The workload deadline: reads whose time passes, beside reads whose does not.
#include <chrono>
#include <memory>
#include <string>

#include "cli/workload/payload.h"
#include "cli/workload/serve/budget.h"
#include "cli/workload/serve/servers.h"
#include "netpoll/net/pipe.h"
#include "netpoll/sync/wait_group.h"

namespace netpoll::workload {
namespace {

using std::chrono::steady_clock;

// Both ends of the pair belong to this goroutine: nothing comes until it sends it itself.
void time_out_and_read(Server& server, Budget& budget, std::uint32_t number) {
  auto pair = socket_pair();
  if (!pair) return server.fail(pair.error());
  server.add_connection();
  auto& [here, there] = *pair;
  const std::size_t size = server.plan().size;
  const auto sent = std::make_unique_for_overwrite<std::byte[]>(size);
  const auto received = std::make_unique_for_overwrite<std::byte[]>(size + 1);
  Traffic traffic;
  for (std::uint64_t sequence = 0; budget.take(); ++sequence) {
    const auto deadline = steady_clock::now() + server.plan().timeout;
    if (auto set = here.set_read_deadline(deadline); !set) return server.note_error(set.error());
    auto nothing = here.read({received.get(), size + 1});
    const std::int64_t late = since_ns(deadline);
    if (nothing) return server.note_mismatch("a read that nobody wrote for did not time out");
    if (!nothing.error().is(ErrorKind::kTimeout)) return server.note_error(nothing.error());
    if (late < 0) server.note_mismatch("a read timed out " + std::to_string(-late) + " ns before its deadline");

    // A deadline in the future revives the connection, and the bytes are there long before it.
    const std::uint64_t seed = seed_of(number, sequence);
    fill_payload({sent.get(), size}, seed);
    if (auto set = here.set_read_deadline(kNoDeadline); !set) return server.note_error(set.error());
    auto written = there.write({sent.get(), size});
    if (!written) return server.note_error(written.error());
    traffic.written += size;
    for (std::size_t done = 0; done < size;) {
      auto n = here.read({received.get() + done, size + 1 - done});
      if (!n) return server.note_error(n.error());
      if (*n == 0) return server.note_mismatch("the stream ended");
      done += *n;
      traffic.read += *n;
    }
    if (!payload_matches({received.get(), size}, seed)) {
      server.note_mismatch(describe_mismatch({received.get(), size}, seed));
    }
    server.add_latency(late);
    ++traffic.operations;
  }
  server.add(traffic);
}

}  // namespace

void serve_deadline(Server& server) {
  server.listening({});
  const auto begin = steady_clock::now();
  Budget budget(server.plan());
  WaitGroup group;
  for (std::uint64_t i = 0; i < server.plan().conns; ++i) {
    group.go([&server, &budget, i] { time_out_and_read(server, budget, static_cast<std::uint32_t>(i)); });
  }
  group.wait();
  server.finish(since_ns(begin));
}

}  // namespace netpoll::workload
