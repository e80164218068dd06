// What an idle connection keeps in memory, counted in pages (HACKING.md, "Memory of a connection").
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "libruntime/sched/g.h"
#include "libruntime/sched/m.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/net/when_readable.h"
#include "netpoll/runtime.h"
#include "tests/libruntime/goroutines.h"
#include "tests/support/catch.h"
#include "tests/support/procs.h"
#include "tests/support/skip.h"

using namespace netpoll;

namespace {

std::size_t resident_pages(const context::Stack& stack) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto size = static_cast<std::size_t>(static_cast<char*>(stack.hi) - static_cast<char*>(stack.lo));
  std::vector<unsigned char> resident(size / page);
  test::must(mincore(stack.lo, size, resident.data()) == 0);
  return static_cast<std::size_t>(std::count_if(resident.begin(), resident.end(), [](auto r) { return (r & 1) != 0; }));
}

std::size_t stacks_with_pages() {
  const sched::GTable& gs = sched::current().gs();
  std::size_t count = 0;
  for (std::uint64_t i = 0; i < gs.count(); ++i) {
    if (resident_pages(sched::peek_stack(gs.at(i))) != 0) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("connections that rest keep no stack, and those that were served share what a P keeps at hand") {
  constexpr std::size_t kConnections = 300;
  constexpr std::size_t kMost = 8;  // of main, and of goroutines that are ending while the next one begins
  Runtime runtime({.procs = test::procs()});
  std::size_t before = 0;
  std::vector<std::size_t> after;
  runtime.run([&] {
    std::vector<Conn> peers;
    for (std::size_t i = 0; i < kConnections; ++i) {
      auto pair = std::move(*socket_pair());
      peers.push_back(std::move(pair.first));
      go_when_readable(std::move(pair.second), [](Conn& conn, Result<void> ready) {
        std::array<std::byte, 64> buffer;
        auto n = ready ? conn.read(buffer) : Result<std::size_t>(std::move(ready).error());
        return n && *n != 0 && conn.write(std::span(buffer).first(*n));
      });
    }
    const auto all_rest = [&] { return runtime.goroutine_counts().waiting == kConnections; };
    test::until(all_rest);
    before = stacks_with_pages();
    for (int round = 0; round < 3; ++round) {
      for (Conn& peer : peers) {
        std::array<std::byte, 64> buffer;
        test::must(peer.write("ping").has_value());
        test::must(peer.read(buffer).has_value());
      }
      test::until(all_rest);
      after.push_back(stacks_with_pages());
    }
    peers.clear();
    test::until([&] { return runtime.goroutine_counts().waiting == 0; });
  });
  CAPTURE(before, after);
  CHECK(before <= kMost + test::procs());
  CHECK(std::all_of(after.begin(), after.end(), [](std::size_t count) { return count <= kMost + 2 * test::procs(); }));
}

TEST_CASE("a goroutine that waits for a connection and holds no buffer, or a small one, keeps one page of stack") {
#if defined(NETPOLL_ASAN) || defined(NETPOLL_TSAN)
  NETPOLL_SKIP("instrumented frames are several times larger");
#endif
  constexpr std::size_t kConnections = 300;  // more than one mapping of stacks
  for (const bool reads : {false, true}) {
    std::vector<context::Stack> stacks(kConnections);
    std::vector<std::size_t> pages;
    Runtime runtime({.procs = test::procs()});
    runtime.run([&] {
      std::vector<Conn> peers;
      for (context::Stack& stack : stacks) {
        auto [conn, peer] = std::move(*socket_pair());
        peers.push_back(std::move(peer));
        go([conn = std::move(conn), &stack, reads]() mutable {
          stack = sched::current_g()->stack;
          std::array<std::byte, 64> buffer;
          // Over a back end that completes, this has an Operation under way, which lies there too.
          if (reads) {
            (void)conn.read(buffer);
          } else {
            (void)conn.wait_readable();
          }
        });
      }
      test::until([&] { return runtime.goroutine_counts().waiting == kConnections; });
      for (const context::Stack& stack : stacks) pages.push_back(resident_pages(stack));
    });
    CHECK(pages == std::vector<std::size_t>(kConnections, 1));
  }
}
