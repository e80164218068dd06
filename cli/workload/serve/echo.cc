// The workload echo and those made of it: reuseport and cpu.
#include "cli/workload/serve/echo.h"

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "cli/workload/payload.h"
#include "cli/workload/serve/accept.h"
#include "cli/workload/serve/servers.h"
#include "netpoll/net/addr.h"
#include "netpoll/net/when_readable.h"

namespace netpoll::workload {

namespace {

constexpr std::size_t kStackBuffer = 4096;

// Calls f with a buffer of the plan's size. A small one lies on the goroutine's stack, right beside the frames of
// read() and write(): one page to touch.
template <typename F>
auto with_buffer(const Plan& plan, F&& f) {
  if (plan.buffer <= kStackBuffer) {
    std::byte buffer[kStackBuffer];
    return f(std::span(buffer).first(plan.buffer));
  }
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(plan.buffer);
  return f(std::span(buffer.get(), plan.buffer));
}

// What a connection moved, at its end. A message may come in pieces, or several at once; a client of its own has
// messages of its own size, and so many operations as it got answers.
void settle(const Plan& plan, Traffic& traffic) {
  if (!plan.serve_only) traffic.operations = traffic.written / plan.size;
}

Traffic echo_through(Server& server, Conn& conn, std::span<std::byte> buffer) {
  // Counted in this frame: the caller's lies beyond the buffer, on a page that the loop otherwise never touches.
  Traffic traffic;
  while (answer(server, conn, traffic, buffer)) {
  }
  return traffic;
}

}  // namespace

bool answer(Server& server, Conn& conn, Traffic& traffic, std::span<std::byte> buffer) {
  auto n = conn.read(buffer);
  if (!n) {
    server.note_error(n.error());
    return false;
  }
  if (*n == 0) return false;
  traffic.read += *n;
  if (auto written = conn.write(buffer.first(*n)); !written) {
    server.note_error(written.error());
    return false;
  }
  traffic.written += *n;
  ++traffic.operations;
  return true;
}

void echo(Server& server, Conn& conn, Traffic& traffic) {
  traffic = with_buffer(server.plan(), [&](std::span<std::byte> buffer) { return echo_through(server, conn, buffer); });
  settle(server.plan(), traffic);
}

void serve_at_rest(Server& server, Listener& listener) {
  accept_each(server, listener, [&server](Conn accepted) {
    go_when_readable(std::move(accepted), [&server, traffic = Traffic{}](Conn& conn, Result<void> ready) mutable {
      const auto answer_with = [&](std::span<std::byte> buffer) { return answer(server, conn, traffic, buffer); };
      if (!ready) server.note_error(ready.error());
      if (ready && with_buffer(server.plan(), answer_with)) return true;
      settle(server.plan(), traffic);
      server.add(traffic);
      return false;
    });
  });
}

void serve_echo(Server& server) {
  Listener listener = server.listen();
  if (!listener.valid()) return;
  server.listening({listener.local().str()});
  if (server.plan().rest) return serve_at_rest(server, listener);
  accept_loop(server, listener, echo);
}

void serve_reuseport(Server& server) {
  std::vector<Listener> listeners;
  listeners.push_back(server.listen(true));
  if (!listeners[0].valid()) return;
  const std::string address = listeners[0].local().str();  // with the port that the kernel chose for the first
  while (listeners.size() < server.plan().listeners) {
    listeners.push_back(server.listen(address, true));
    if (!listeners.back().valid()) return;
  }
  server.listening({address});
  struct Count {
    std::uint64_t value = 0;
  };
  std::vector<Count> accepted(listeners.size());
  std::atomic<std::size_t> running{listeners.size()};
  for (std::size_t i = 1; i < listeners.size(); ++i) {
    go([&server, &listener = listeners[i], &count = accepted[i].value, &running] {
      accept_loop(server, listener, echo, &count);
      running.fetch_sub(1);
    });
  }
  accept_loop(server, listeners[0], echo, &accepted[0].value);
  running.fetch_sub(1);
  // The other goroutines hold references to this stack frame; they end with the runtime's shutdown as this one did.
  while (running.load() > 0) yield();
  std::vector<std::uint64_t> counts;
  for (const Count& count : accepted) counts.push_back(count.value);
  server.set_accepted(std::move(counts));
}

namespace {

// About 20 µs of arithmetic whose result is used, so that it is not optimised away.
std::uint64_t compute(std::uint64_t seed) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 1; i <= 16'000; ++i) sum ^= payload_word(seed, i);
  return sum;
}

}  // namespace

void serve_cpu(Server& server) {
  Listener listener = server.listen();
  if (!listener.valid()) return;
  for (std::uint64_t i = 0; i < server.plan().busy; ++i) {
    go([&server, i] {
      std::uint64_t rounds = 0;
      std::uint64_t seed = i;
      while (!canceled()) {
        seed = compute(seed);
        ++rounds;
        yield();
      }
      server.add_busy_rounds(rounds);
    });
  }
  server.listening({listener.local().str()});
  accept_loop(server, listener, echo);
}

}  // namespace netpoll::workload
