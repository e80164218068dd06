// A goroutine that computes without a pause never stops the others from hearing of their events while there is a P for
// them: somebody polls in its place. The model of this is tests/model/poll_takeover.pml.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/wait_group.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/procs.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;

// Long enough for the poll thread of hybrid mode to have stopped its watch.
constexpr auto kQuiet = 100ms;

// Computes until `heard`, or for 20 s: then the event was left lying.
void hog(std::atomic<bool>& running, const std::atomic<bool>& heard) {
  running = true;
  const auto limit = std::chrono::steady_clock::now() + 20s;
  while (!heard && std::chrono::steady_clock::now() < limit) {
  }
}

void put_byte(int fd) {
  const char byte = 'x';
  while (write(fd, &byte, 1) < 0) {
  }
}

// Runs a reader beside a hog that start_hog(runtime, run_hog, fd of a pipe the hog may wait for) sets off, and tells
// whether the reader got its byte while the hog was computing.
template <typename F>
bool heard_beside_hog(PollMode mode, F&& start_hog) {
  std::atomic<bool> running{false};
  std::atomic<bool> heard{false};
  std::atomic<bool> hog_saw_it{false};
  Runtime runtime({.procs = test::procs(), .poll_mode = mode});
  runtime.run([&] {
    auto data = pipe();
    auto starter = pipe();
    std::byte buffer[1];
    WaitGroup group;
    group.go([&] { heard = data->first.read(buffer).value_or(0) == 1; });
    group.add(1);
    const auto run_hog = [&] {
      hog(running, heard);
      hog_saw_it = heard.load();
      group.done();
    };
    start_hog(runtime, run_hog, starter->first);
    // Neither end is written by a goroutine: nobody but the hog shall be busy.
    std::thread outside([&, to_hog = starter->second.fd(), to_reader = data->second.fd()] {
      std::this_thread::sleep_for(kQuiet);
      put_byte(to_hog);
      test::must(test::eventually([&] { return running.load(); }));
      std::this_thread::sleep_for(5ms);
      put_byte(to_reader);
    });
    group.wait();
    block_on([&] { outside.join(); });
  });
  return hog_saw_it;
}

TEST_CASE("an event is heard beside a goroutine that computes after a sleep") {
  for (const PollMode mode : {PollMode::kHybrid, PollMode::kInline, PollMode::kThread}) {
    INFO("poll mode " << poll_mode_name(mode));
    CHECK(heard_beside_hog(mode, [](Runtime&, auto& run_hog, Conn&) {
      go([&run_hog] {
        (void)sleep(kQuiet + 20ms);
        run_hog();
      });
    }));
  }
}

TEST_CASE("an event is heard beside a goroutine that computes after an event of its own") {
  for (const PollMode mode : {PollMode::kHybrid, PollMode::kInline, PollMode::kThread}) {
    INFO("poll mode " << poll_mode_name(mode));
    CHECK(heard_beside_hog(mode, [](Runtime&, auto& run_hog, Conn& starter) {
      go([&run_hog, &starter] {
        std::byte buffer[1];
        (void)starter.read(buffer);
        run_hog();
      });
    }));
  }
}

TEST_CASE("an event is heard beside a goroutine that another thread has started") {
  for (const PollMode mode : {PollMode::kHybrid, PollMode::kInline, PollMode::kThread}) {
    INFO("poll mode " << poll_mode_name(mode));
    std::thread starter;
    CHECK(heard_beside_hog(mode, [&starter](Runtime& runtime, auto& run_hog, Conn&) {
      starter = std::thread([&runtime, &run_hog] {
        std::this_thread::sleep_for(kQuiet);
        runtime.go([&run_hog] { run_hog(); });
      });
    }));
    starter.join();
  }
}

TEST_CASE(
    "events are heard while goroutines that yield keep the only P, one of them having drawn an M out of the poller") {
  constexpr int kEvents = 3;
  for (const PollMode mode : {PollMode::kHybrid, PollMode::kInline, PollMode::kThread}) {
    INFO("poll mode " << poll_mode_name(mode));
    std::atomic<bool> running{false};
    std::atomic<int> heard{0};
    std::atomic<bool> all_heard_meanwhile{false};
    std::thread outside;
    Runtime runtime({.procs = 1, .poll_mode = mode});
    runtime.run([&] {
      auto data = pipe();
      WaitGroup group;
      group.go([&] {
        std::byte buffer[1];
        while (heard < kEvents && data->first.read(buffer).value_or(0) == 1) ++heard;
      });
      group.add(1);
      outside = std::thread([&, to_reader = data->second.fd()] {
        // The P is idle by then, and an M sits in the poller where Ms poll.
        std::this_thread::sleep_for(kQuiet);
        runtime.go([&] {
          running = true;
          const auto limit = std::chrono::steady_clock::now() + 20s;
          while (heard < kEvents && std::chrono::steady_clock::now() < limit) yield();
          all_heard_meanwhile = heard == kEvents;
          group.done();
        });
        test::must(test::eventually([&] { return running.load(); }));
        // The first finds that M, which has no P to go on with; the others have to be looked for.
        for (int i = 0; i < kEvents; ++i) {
          put_byte(to_reader);
          static_cast<void>(test::eventually([&] { return heard > i; }));
        }
      });
      group.wait();
    });
    outside.join();
    CHECK(all_heard_meanwhile);
  }
}

}  // namespace
}  // namespace netpoll
