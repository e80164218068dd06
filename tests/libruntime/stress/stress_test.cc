// Random mixtures of everything that can happen to a pollDesc, in every poll mode and trigger: bytes, deadlines, closes
// by others, reuse of descriptor numbers, sleeps, channels. What must hold afterwards: every byte that was written was
// read or its connection closed, every goroutine ended, no descriptor is left.
//
// The seed is printed; NETPOLL_STRESS_SEED repeats it. Built with NETPOLL_RANDOM_YIELDS (preset tsan) the same seed
// also drives the yields at every atomic step.
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "libruntime/sched/scheduler.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/wait_group.h"
#include "tests/support/catch.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/procs.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;

std::uint64_t stress_seed() {
  static const std::uint64_t seed = [] {
    const char* text = std::getenv("NETPOLL_STRESS_SEED");
    const std::uint64_t value = text != nullptr ? std::strtoull(text, nullptr, 10) : std::random_device{}();
    setenv("NETPOLL_YIELD_SEED", std::to_string(value).c_str(), 0);
    std::fprintf(stderr, "stress: NETPOLL_STRESS_SEED=%llu repeats this run\n", static_cast<unsigned long long>(value));
    return value;
  }();
  return seed;
}

struct Totals {
  std::atomic<std::uint64_t> timeouts{0}, closed_by_other{0}, wrong{0}, odd_errors{0}, lost_bytes{0};
};

// One connection: a writer that sends numbered bytes with pauses, a reader under short deadlines, and now and then a
// third goroutine that closes the reader's end in the middle.
void one_pair(Totals& totals, std::uint64_t seed, WaitGroup& group) {
  auto pair = socket_pair();
  if (!pair) {
    ++totals.odd_errors;
    group.done();
    return;
  }
  std::mt19937_64 random(seed);
  const bool cut = random() % 4 == 0;
  const int messages = static_cast<int>(random() % 60) + 5;
  Conn& reader = pair->first;
  std::atomic<std::uint64_t> written{0};
  std::uint64_t read = 0;
  WaitGroup mine;
  mine.add(cut ? 2 : 1);
  go([&, writer_seed = random(), writer = std::move(pair->second)]() mutable {
    std::mt19937_64 r(writer_seed);
    std::uint8_t next = 0;
    for (int i = 0; i < messages; ++i) {
      std::array<std::byte, 64> buffer;
      const std::size_t size = r() % buffer.size() + 1;
      for (std::size_t k = 0; k < size; ++k) buffer[k] = std::byte{next++};
      if (!writer.write(std::span(buffer).first(size))) break;
      written += size;
      switch (r() % 4) {
        case 0:
          yield();
          break;
        case 1:
          (void)sleep(std::chrono::microseconds(r() % 300));
          break;
        default:
          break;
      }
    }
    if (r() % 2 == 0) (void)writer.close_write();
    (void)writer.close();
    mine.done();
  });
  if (cut) {
    go([&, after = random() % 3000] {
      (void)sleep(std::chrono::microseconds(after));
      (void)reader.close();
      mine.done();
    });
  }
  std::uint8_t expected = 0;
  for (;;) {
    std::array<std::byte, 48> buffer;
    if (random() % 2 == 0) {
      (void)reader.set_read_deadline(std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 500));
    } else if (random() % 4 == 0) {
      (void)reader.set_read_deadline(std::chrono::steady_clock::time_point::max());
    }
    auto n = reader.read(buffer);
    if (n && *n == 0) break;
    if (!n) {
      if (n.error().is(ErrorKind::kTimeout)) {
        ++totals.timeouts;
        continue;
      }
      if (n.error().is(ErrorKind::kClosing) && cut) {
        ++totals.closed_by_other;
      } else {
        ++totals.odd_errors;
        std::fprintf(stderr, "stress: %s\n", n.error().message().c_str());
      }
      break;
    }
    read += *n;
    for (std::size_t k = 0; k < *n; ++k) totals.wrong += buffer[k] != std::byte{expected++};
  }
  mine.wait();
  if (!cut) totals.lost_bytes += written - read;
  (void)reader.close();
  group.done();
}

std::uint64_t total(const sched::Scheduler& scheduler, trace::Tp tp) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(test::procs()); ++i) {
    sum += scheduler.counter_blocks()[i].count[static_cast<std::size_t>(tp)].load();
  }
  return sum;
}

TEST_CASE("random bytes, deadlines, closes and reuse keep every promise in every mode and trigger") {
  const std::uint64_t seed = stress_seed();
  INFO("seed " << seed);
  for (PollMode mode : {PollMode::kHybrid, PollMode::kInline, PollMode::kThread}) {
    for (Trigger trigger : {Trigger::kEdge, Trigger::kOneshot, Trigger::kLevel}) {
      INFO(poll_mode_name(mode) << " " << trigger_name(trigger));
      const std::size_t fds_before = test::open_descriptors();
      Totals totals;
      std::uint64_t parks = 0;
      std::uint64_t readies = 0;
      {
        Config config;
        config.procs = test::procs();
        config.poll_mode = mode;
        config.trigger = trigger;
        Runtime runtime(config);
        const sched::Scheduler* scheduler = nullptr;
        runtime.run(
            [&] {
              scheduler = &sched::current();
              WaitGroup group;
              for (std::uint64_t i = 0; i < 120; ++i) {
                group.add(1);
                go([&, i] { one_pair(totals, seed * 1000 + i, group); });
                if (i % 10 == 9) (void)sleep(500us);  // so that closed numbers are used again
              }
              group.wait();
            },
            Runtime::Shutdown::kWait);
        CHECK(runtime.snapshot().goroutines.empty());
        parks = total(*scheduler, trace::Tp::park);
        readies = total(*scheduler, trace::Tp::ready);
      }
      CHECK(parks > 0);
      CHECK(parks == readies);
      CHECK(totals.wrong == 0);
      CHECK(totals.lost_bytes == 0);
      CHECK(totals.odd_errors == 0);
      CHECK(test::open_descriptors() == fds_before);
    }
  }
}

TEST_CASE("a token passed around a ring of channels and sleeps is never lost or doubled") {
  const std::uint64_t seed = stress_seed();
  INFO("seed " << seed);
  for (PollMode mode : {PollMode::kHybrid, PollMode::kInline, PollMode::kThread}) {
    Config config;
    config.procs = test::procs();
    config.poll_mode = mode;
    Runtime runtime(config);
    std::uint64_t rounds = 0;
    runtime.run(
        [&] {
          constexpr std::size_t kRing = 16;
          std::vector<std::unique_ptr<Channel<std::uint64_t>>> ring;
          for (std::size_t i = 0; i < kRing; ++i) ring.push_back(std::make_unique<Channel<std::uint64_t>>(i % 3));
          WaitGroup group;
          for (std::size_t i = 0; i + 1 < kRing; ++i) {
            group.add(1);
            go([&, i] {
              std::mt19937_64 random(seed + i);
              while (auto token = ring[i]->recv()) {
                if (random() % 64 == 0) (void)sleep(std::chrono::microseconds(random() % 50));
                if (random() % 16 == 0) yield();
                if (!ring[i + 1]->send(*token + 1)) break;
              }
              ring[i + 1]->close();
              group.done();
            });
          }
          for (std::uint64_t lap = 0; lap < 200; ++lap) {
            (void)ring[0]->send(lap * 100);
            auto back = ring[kRing - 1]->recv();
            if (back && *back == lap * 100 + kRing - 1) ++rounds;
          }
          ring[0]->close();
          group.wait();
        },
        Runtime::Shutdown::kWait);
    CHECK(rounds == 200);
  }
}

}  // namespace
}  // namespace netpoll
