// What goroutines may rely on, with 1, 2 and many Ps and in every poll mode.
#include <atomic>
#include <cfenv>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "libruntime/context/sanitizer.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/goroutines.h"
#include "tests/support/catch.h"
#include "tests/support/procs.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;

Config config(PollMode mode = PollMode::kHybrid) {
  Config config;
  config.procs = test::procs();
  config.poll_mode = mode;
  return config;
}

template <typename F>
void in_every_mode(F&& f) {
  for (PollMode mode : {PollMode::kHybrid, PollMode::kInline, PollMode::kThread}) {
    INFO("poll mode " << poll_mode_name(mode));
    f(mode);
  }
}

TEST_CASE("every goroutine runs exactly once, also when they start each other") {
  in_every_mode([](PollMode mode) {
    std::atomic<int> ran{0};
    Runtime runtime(config(mode));
    runtime.run(
        [&] {
          for (int i = 0; i < 100; ++i) {
            go([&] {
              for (int k = 0; k < 20; ++k) go([&] { ++ran; });
              yield();
              ++ran;
            });
          }
        },
        Runtime::Shutdown::kWait);
    CHECK(ran == 100 * 21);
  });
}

TEST_CASE("goroutine ids are unique") {
  std::vector<std::uint64_t> ids(2000);
  Runtime runtime(config());
  runtime.run(
      [&] {
        for (auto& id : ids) go([&id] { id = goid(); });
      },
      Runtime::Shutdown::kWait);
  CHECK(std::set<std::uint64_t>(ids.begin(), ids.end()).size() == ids.size());
  CHECK(std::set<std::uint64_t>(ids.begin(), ids.end()).count(0) == 0);
  CHECK(goid() == 0);
}

TEST_CASE("yield lets every other goroutine run") {
  std::atomic<int> turns{0};
  std::atomic<bool> stop{false};
  Runtime runtime(config());
  runtime.run(
      [&] {
        for (int i = 0; i < 8; ++i) {
          go([&] {
            while (!stop) yield();
            ++turns;
          });
        }
        for (int i = 0; i < 100; ++i) yield();
        stop = true;
      },
      Runtime::Shutdown::kWait);
  CHECK(turns == 8);
}

TEST_CASE("goroutines that hand over to each other by runnext do not starve the queue") {
  std::atomic<bool> third_ran{false};
  Runtime runtime(config());
  runtime.run(
      [&] {
        Channel<int> ping(0), pong(0);
        WaitGroup echo;
        echo.add(1);
        go([&] {
          while (auto value = ping.recv()) {
            if (!pong.send(*value)) break;
          }
          echo.done();
        });
        go([&] { third_ran = true; });
        int rounds = 0;
        while (!third_ran && rounds < 1'000'000) {
          (void)ping.send(1);
          (void)pong.recv();
          ++rounds;
        }
        ping.close();
        pong.close();
        echo.wait();
      },
      Runtime::Shutdown::kWait);
  CHECK(third_ran);
}

TEST_CASE("go_exit ends a goroutine from any depth, and what lies on its stack is destroyed") {
  std::atomic<int> destroyed{0};
  std::atomic<int> went_on{0};
  struct Marker {
    std::atomic<int>* count;
    explicit Marker(std::atomic<int>* c) : count(c) {}
    Marker(Marker&& other) noexcept : count(std::exchange(other.count, nullptr)) {}
    ~Marker() {
      if (count == nullptr) return;
      yield();  // a destructor may park, and the goroutine go on elsewhere
      count->fetch_add(1);
    }
  };
  constexpr int kGoroutines = 200;
  {
    Runtime runtime({.procs = test::procs()});
    runtime.run(
        [&] {
          for (int i = 0; i < kGoroutines; ++i) {
            go([&, captured = Marker(&destroyed)] {
              const Marker outer(&destroyed);
              const auto inner = [&] {
                const Marker local(&destroyed);
                try {
                  go_exit();
                } catch (const std::exception&) {
                  went_on.fetch_add(1);  // it is none of these
                } catch (...) {
                  throw;
                }
              };
              inner();
              went_on.fetch_add(1);
            });
          }
        },
        Runtime::Shutdown::kWait);
  }
  CHECK(destroyed == 3 * kGoroutines);
  CHECK(went_on == 0);
}

TEST_CASE("go_exit in the function given to run() is a return from it") {
  std::atomic<bool> other{false};
  Runtime runtime({.procs = test::procs()});
  runtime.run(
      [&] {
        go([&] {
          (void)sleep(std::chrono::milliseconds(1));
          other = true;
        });
        go_exit();
      },
      Runtime::Shutdown::kWait);
  CHECK(other);
}

TEST_CASE("sleep lasts at least as long as asked, beside sleepers of other lengths") {
  in_every_mode([](PollMode mode) {
    std::vector<std::chrono::nanoseconds> overshoot;
    Runtime runtime(config(mode));
    runtime.run([&] {
      Channel<std::chrono::nanoseconds> woke(8);
      for (int i = 8; i >= 1; --i) {
        // By value: the last receiver may leave while the last sender is still on its way out of the channel.
        go([woke, i] {
          const auto start = std::chrono::steady_clock::now();
          (void)sleep(i * 3ms);
          (void)woke.send(std::chrono::steady_clock::now() - start - i * 3ms);
        });
      }
      for (int i = 0; i < 8; ++i) overshoot.push_back(*woke.recv());
    });
    for (auto by : overshoot) CHECK(by >= 0ns);
  });
}

TEST_CASE("goroutines are started from outside, and from goroutines of another runtime") {
  std::atomic<int> ran{0};
  Runtime first(config()), second(config());
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        first.go([&] {
          ++ran;
          second.go([&] { ++ran; });
        });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  first.shutdown(Runtime::Shutdown::kWait);
  second.shutdown(Runtime::Shutdown::kWait);
  CHECK(ran == 3 * 50 * 2);
}

TEST_CASE("an exception caught in a goroutine survives parking inside the handler, on whatever thread it resumes") {
  std::atomic<int> intact{0};
  constexpr int kGoroutines = 64;
  Runtime runtime(config());
  runtime.run(
      [&] {
        for (int i = 0; i < kGoroutines; ++i) {
          go([&, i] {
            for (int k = 0; k < 20; ++k) {
              try {
                throw std::runtime_error(std::to_string(i));
              } catch (const std::runtime_error& e) {
                yield();
                if (k % 5 == 0) (void)sleep(100us);
                try {
                  throw;
                } catch (const std::runtime_error& again) {
                  if (std::to_string(i) == again.what()) ++intact;
                }
              }
            }
          });
        }
      },
      Runtime::Shutdown::kWait);
  CHECK(intact == kGoroutines * 20);
  CHECK(std::uncaught_exceptions() == 0);
}

TEST_CASE("the rounding mode travels with the goroutine, and none comes from the thread that made the runtime") {
  in_every_mode([](PollMode mode) {
    constexpr int kModes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    std::atomic<int> wrong{0};
    std::fesetround(FE_DOWNWARD);
    {
      Runtime runtime(config(mode));
      runtime.run(
          [&] {
            for (int i = 0; i < 40; ++i) {
              go([&wrong, rounding = kModes[i % 4]] {
                if (std::fegetround() != FE_TONEAREST) ++wrong;
                std::fesetround(rounding);
                volatile double three = 3;
                for (int k = 0; k < 50; ++k) {
                  three = 1 / three;  // inexact
                  yield();
                  if (std::fegetround() != rounding) ++wrong;
                }
              });
            }
          },
          Runtime::Shutdown::kWait);
    }
    std::fesetround(FE_TONEAREST);
    CHECK(wrong == 0);
  });
}

TEST_CASE("while a goroutine blocks its thread, the others go on") {
  in_every_mode([](PollMode mode) {
    std::atomic<bool> release{false};
    int progress = 0;
    Runtime runtime(config(mode));
    runtime.run([&] {
      WaitGroup blocked;
      for (int i = 0; i < 3; ++i) {
        blocked.add(1);
        go([&] {
          block_on([&] { test::must(test::eventually([&] { return release.load(); })); });
          blocked.done();
        });
      }
      for (int i = 0; i < 20; ++i) {
        (void)sleep(1ms);
        ++progress;
      }
      release = true;
      blocked.wait();
    });
    CHECK(progress == 20);
  });
}

TEST_CASE("a short blocking call keeps or regains a P, many times over") {
  std::atomic<int> calls{0};
  Runtime runtime(config());
  runtime.run(
      [&] {
        for (int i = 0; i < 16; ++i) {
          go([&] {
            for (int k = 0; k < 200; ++k) {
              calls += block_on([] { return 1; });
              if (k % 7 == 0) yield();
            }
          });
        }
      },
      Runtime::Shutdown::kWait);
  CHECK(calls == 16 * 200);
}

TEST_CASE("shutdown with cancel ends sleeps and channel waits; with wait it lets them finish") {
  in_every_mode([](PollMode mode) {
    std::atomic<int> canceled_waits{0};
    {
      Runtime runtime(config(mode));
      Channel<int> never(0);
      runtime.run([&] {
        for (int i = 0; i < 10; ++i) {
          go([&] {
            auto result = sleep(1h);
            if (!result && result.error().is(ErrorKind::kCanceled)) ++canceled_waits;
          });
          go([&] {
            if (!never.recv()) ++canceled_waits;
          });
        }
        yield();
      });
    }
    CHECK(canceled_waits == 20);

    std::atomic<int> finished{0};
    Runtime runtime(config(mode));
    runtime.run(
        [&] {
          for (int i = 0; i < 10; ++i) {
            go([&] {
              if (sleep(5ms)) ++finished;
            });
          }
        },
        Runtime::Shutdown::kWait);
    CHECK(finished == 10);
  });
}

TEST_CASE("a snapshot from inside shows who waits for what, and who created whom") {
  trace::GoroutineSnapshot snapshot;
  std::uint64_t main_id = 0;
  Channel<int> never(0);  // outlives the goroutines, which end at shutdown
  Runtime runtime(config());
  runtime.run([&] {
    main_id = goid();
    go([] { (void)sleep(1h); });
    go([&] { (void)never.recv(); });
    test::until([&] {
      snapshot = runtime.snapshot();
      std::size_t waiting = 0;
      for (const auto& g : snapshot.goroutines) waiting += g.status == "waiting";
      return waiting == 2;
    });
    const GoroutineCounts counts = runtime.goroutine_counts();
    CHECK(counts.running == 1);
    CHECK(counts.waiting == 2);
    CHECK(counts.total() == 3);
  });
  CHECK(runtime.goroutine_counts().total() == 0);
  REQUIRE(snapshot.goroutines.size() == 3);
  std::set<std::string_view> reasons;
  for (const auto& g : snapshot.goroutines) {
    if (g.goid == main_id) {
      CHECK(g.status == "running");
      continue;
    }
    reasons.insert(g.wait_reason);
    CHECK(g.parent_goid == main_id);
    CHECK_FALSE(g.fd);
    REQUIRE(g.created_by);
    CHECK(snapshot.frames.at(*g.created_by).pc != 0);
  }
  CHECK(reasons == std::set<std::string_view>{"sleep", "chan receive"});
}

TEST_CASE("a hundred thousand goroutines are parked at once, and each runs on") {
#if defined(NETPOLL_ASAN) || defined(NETPOLL_TSAN)
  constexpr std::size_t kGoroutines = 2'000;  // the sanitizers know thousands of stacks, not more
#elif defined(_WIN32)
  constexpr std::size_t kGoroutines = 10'000;  // each guard is two mappings of the machine that Wine runs on
#else
  constexpr std::size_t kGoroutines = 100'000;
#endif
  std::size_t parked = 0;
  std::atomic<std::size_t> ended{0};
  Runtime runtime(config());
  runtime.run([&] {
    Channel<int> gate;
    WaitGroup group;
    for (std::size_t i = 0; i < kGoroutines; ++i) {
      group.go([&] {
        (void)gate.recv();
        ended.fetch_add(1, std::memory_order_relaxed);
      });
    }
    test::soon([&] {
      parked = 0;
      for (const auto& g : runtime.snapshot().goroutines) parked += g.wait_reason == "chan receive";
      return parked == kGoroutines;
    });
    gate.close();
    group.wait();
  });
  CHECK(parked == kGoroutines);
  CHECK(ended == kGoroutines);
}

}  // namespace
}  // namespace netpoll
