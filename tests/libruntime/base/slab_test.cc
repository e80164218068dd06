// The allocator of blocks that are a few cache lines long.
#include "libruntime/base/slab.h"

#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

namespace netpoll::base {
namespace {

TEST_CASE("blocks are lines of the cache and nobody else's") {
  Slab slab;
  std::vector<void*> blocks;
  for (int i = 0; i < 200; ++i) {
    blocks.push_back(slab.get());
    std::memset(blocks.back(), i, Slab::kBlock);
    CHECK(reinterpret_cast<std::uintptr_t>(blocks.back()) % Slab::kBlock == 0);
  }
  for (int i = 0; i < 200; ++i) {
    const auto* bytes = static_cast<const unsigned char*>(blocks[static_cast<std::size_t>(i)]);
    CHECK((bytes[0] == i && bytes[Slab::kBlock - 1] == i));
  }
  CHECK(std::set<void*>(blocks.begin(), blocks.end()).size() == blocks.size());
  for (void* block : blocks) slab.put(block);
}

TEST_CASE("threads that take and give back never hold the same block") {
  Slab slab;
  std::vector<std::thread> threads;
  std::vector<int> damaged(4, 0);
  for (std::size_t t = 0; t < damaged.size(); ++t) {
    threads.emplace_back([&slab, &mine = damaged[t], t] {
      for (int round = 0; round < 2000; ++round) {
        std::uint64_t* held[8];
        for (auto& block : held) *(block = static_cast<std::uint64_t*>(slab.get())) = t;
        for (auto* block : held) {
          if (*block != t) ++mine;
          slab.put(block);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(damaged == std::vector<int>(4, 0));
}

}  // namespace
}  // namespace netpoll::base
