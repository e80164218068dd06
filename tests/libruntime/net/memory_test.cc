// What an idle connection keeps in memory, counted in pages (HACKING.md, "Memory of a connection").
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "libruntime/sched/g.h"
#include "libruntime/sched/m.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/pipe.h"
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

}  // namespace

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
