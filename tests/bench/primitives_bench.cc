// primitives_bench: what the runtime's own steps cost, as JSON on stdout.
//
//   primitives_bench [ROUNDS]
//
// Every measurement runs once per round and the rounds are interleaved, so that a change of the machine's speed hits
// all of them. Reported per operation, in nanoseconds: the median of the rounds, quartiles and extremes. One P, except
// where the name says otherwise. What objects of netpoll/sync cost: sync_bench.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "libruntime/context/context.h"
#include "libruntime/context/stack.h"
#include "libruntime/runtime_access.h"
#include "libruntime/sched/timers.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "tests/bench/spread.h"

namespace {

using namespace netpoll;
using bench::quantile;
using std::chrono::steady_clock;

// Returns nanoseconds per operation of `count` operations.
using Run = double (*)(std::int64_t count);

struct Measurement {
  const char* name;
  const char* what;
  std::int64_t count;
  Run run;
  const char* clock;  // what in_runtime() or the StopWatch of `run` reads
  std::vector<double> ns;
};

// Starts at construction.
class StopWatch {
 public:
  explicit StopWatch(clockid_t clock = CLOCK_PROCESS_CPUTIME_ID) : clock_(clock), begin_(now()) {}
  double per_operation(std::int64_t count) const {
    return static_cast<double>(now() - begin_) / static_cast<double>(count);
  }

 private:
  std::int64_t now() const {
    timespec t{};
    clock_gettime(clock_, &t);
    return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
  }
  const clockid_t clock_;
  const std::int64_t begin_;
};

// --- without a runtime

struct PingPong {
  context::MachineContext here;
  context::MachineContext there;
};

void bounce(void* arg) {
  auto* flows = static_cast<PingPong*>(arg);
  for (;;) context::context_suspend(flows->there, flows->here);
}

double context_switch(std::int64_t count) {
  const auto slab = context::StackSlab::map(1, 64 * 1024);
  const context::Stack stack = slab.at(0);
  PingPong flows;
  context::context_init(flows.there, stack.lo, stack.hi, bounce, &flows);
  const StopWatch watch;
  std::uint64_t words = context::kInitialControlWords;
  for (std::int64_t i = 0; i < count / 2; ++i) words = context::context_resume(flows.here, flows.there, words);
  return watch.per_operation(count);
}

// --- within one

// Runs body(count) as the main goroutine of a Runtime with one P, once to warm up and once by the clock.
template <typename F>
double in_runtime(std::int64_t count, F body, clockid_t clock = CLOCK_PROCESS_CPUTIME_ID) {
  double ns = 0;
  Runtime runtime({.procs = 1});
  runtime.run([&] {
    body(count / 10 + 2);
    const StopWatch watch(clock);
    body(count);
    ns = watch.per_operation(count);
  });
  return ns;
}

double yield_between_two(std::int64_t count) {
  return in_runtime(count, [](std::int64_t n) {
    bool done = false;
    go([n, &done] {
      for (std::int64_t i = 0; i < n / 2; ++i) yield();
      done = true;
    });
    for (std::int64_t i = 0; i < n / 2; ++i) yield();
    while (!done) yield();
  });
}

// One of the two computes, which sets an exception flag in the control word of the thread for good.
double yield_beside_inexact(std::int64_t count) {
  return in_runtime(count, [](std::int64_t n) {
    bool done = false;
    go([n, &done] {
      volatile double three = 3;
      for (std::int64_t i = 0; i < n / 2; ++i) {
        if (i % 64 == 0) three = 1 / three;
        yield();
      }
      done = true;
    });
    for (std::int64_t i = 0; i < n / 2; ++i) yield();
    while (!done) yield();
  });
}

double create_run_exit(std::int64_t count) {
  return in_runtime(count, [](std::int64_t n) {
    std::int64_t ran = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      go([&ran] { ++ran; });
      yield();
    }
    while (ran < n) yield();
  });
}

double create_a_thousand(std::int64_t count) {
  return in_runtime(count, [](std::int64_t n) {
    std::int64_t ran = 0;
    for (std::int64_t i = 0; i < n; i += 1000) {
      for (int k = 0; k < 1000; ++k) go([&ran] { ++ran; });
      while (ran < i + 1000) yield();
    }
  });
}

// A goroutine that parks where its partner finds it.
struct Side {
  sched::G* parked = nullptr;
};

void park_in(Side& side) {
  sched::Scheduler::park(
      [](sched::G* g, void* arg) {
        static_cast<Side*>(arg)->parked = g;
        return true;
      },
      &side, WaitReason::kSemaphore);
}

void wake_from(sched::Scheduler& scheduler, Side& side) {
  if (sched::G* g = std::exchange(side.parked, nullptr); g != nullptr) scheduler.ready(g);
}

double park_ready_round_trip(std::int64_t count) {
  double ns = 0;
  Runtime runtime({.procs = 1});
  sched::Scheduler& scheduler = detail::RuntimeAccess::scheduler(runtime);
  runtime.run([&] {
    // One P: the two never run at once, and a switch between them is the only order there is.
    Side sides[2];
    bool done = false;
    go([&] {
      while (!done) {
        wake_from(scheduler, sides[0]);
        park_in(sides[1]);
      }
    });
    while (sides[1].parked == nullptr) yield();
    for (std::int64_t i = 0; i < count / 10; ++i) {
      wake_from(scheduler, sides[1]);
      park_in(sides[0]);
    }
    const StopWatch watch;
    for (std::int64_t i = 0; i < count; ++i) {
      wake_from(scheduler, sides[1]);
      park_in(sides[0]);
    }
    ns = watch.per_operation(count);
    done = true;
    wake_from(scheduler, sides[1]);
    yield();
  });
  return ns;
}

// Timers in an hour that stay, as the deadlines of connections do.
double timer_set_and_cancel(std::int64_t count, std::size_t others) {
  double ns = 0;
  Runtime runtime({.procs = 1});
  sched::Scheduler& scheduler = detail::RuntimeAccess::scheduler(runtime);
  const auto hour = steady_clock::now().time_since_epoch() + std::chrono::hours(1);
  const std::int64_t when = hour / std::chrono::nanoseconds(1);
  runtime.run([&] {
    std::vector<std::unique_ptr<sched::HeapTimer>> background;
    const auto start = [&](sched::HeapTimer& timer, std::int64_t at) {
      timer.when = at;
      timer.callback = [](void*, std::uint64_t) {};
      sched::start_timer(scheduler, timer);
    };
    for (std::size_t i = 0; i < others; ++i) {
      background.push_back(std::make_unique<sched::HeapTimer>());
      start(*background.back(), when + static_cast<std::int64_t>(i * 7919 % others));
    }
    sched::HeapTimer timer;
    const StopWatch watch;
    for (std::int64_t i = 0; i < count; ++i) {
      start(timer, when + i);
      sched::stop_timer(timer);
    }
    ns = watch.per_operation(count);
    for (const auto& other : background) sched::stop_timer(*other);
  });
  return ns;
}

double timer_alone(std::int64_t count) { return timer_set_and_cancel(count, 0); }
double timer_among_a_thousand(std::int64_t count) { return timer_set_and_cancel(count, 1000); }

double deadline_moved(std::int64_t count) {
  return in_runtime(count, [](std::int64_t n) {
    auto pair = socket_pair();
    if (!pair) std::abort();
    const auto hour = after(std::chrono::hours(1));
    for (std::int64_t i = 0; i < n; ++i) (void)pair->first.set_read_deadline(hour + std::chrono::nanoseconds(i));
  });
}

double sleep_of_100us(std::int64_t count) {
  return in_runtime(
      count,
      [](std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) (void)sleep(std::chrono::microseconds(100));
      },
      CLOCK_MONOTONIC);
}

double socket_round_trip(std::int64_t count) {
  return in_runtime(count, [](std::int64_t n) {
    auto pair = socket_pair();
    if (!pair) std::abort();
    go([end = std::move(pair->second)]() mutable {
      std::byte ball[16];
      for (;;) {
        auto got = end.read(ball);
        if (!got || *got == 0) return;
        (void)end.write(std::span(ball).first(*got));
      }
    });
    std::byte ball[16] = {};
    for (std::int64_t i = 0; i < n; ++i) {
      (void)pair->first.write(std::span(ball).first(8));
      (void)pair->first.read(ball);
    }
    (void)pair->first.close();
  });
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  std::vector<Measurement> all = {
      {"context_switch", "one switch between two flows", 4'000'000, context_switch, "cpu", {}},
      {"yield", "one yield between two goroutines", 1'000'000, yield_between_two, "cpu", {}},
      {"yield_inexact", "the same, one of which computes inexactly", 1'000'000, yield_beside_inexact, "cpu", {}},
      {"create_run_exit",
       "a goroutine started, run to its end, its stack used again",
       500'000,
       create_run_exit,
       "cpu",
       {}},
      {"create_run_exit_1000", "the same, a thousand at a time", 300'000, create_a_thousand, "cpu", {}},
      {"park_ready_round_trip", "two parks and two readies", 500'000, park_ready_round_trip, "cpu", {}},
      {"timer_set_cancel", "a timer started and stopped, no other there", 1'000'000, timer_alone, "cpu", {}},
      {"timer_set_cancel_1000", "the same among a thousand others", 500'000, timer_among_a_thousand, "cpu", {}},
      {"deadline_moved", "a connection's read deadline set to another time", 500'000, deadline_moved, "cpu", {}},
      {"sleep_100us", "sleep(100us), from call to return", 200, sleep_of_100us, "wall", {}},
      {"socket_round_trip",
       "8 bytes there and back over a socket pair: 4 calls, 2 waits",
       20'000,
       socket_round_trip,
       "cpu",
       {}},
  };
  for (int round = 0; round < rounds; ++round) {
    for (Measurement& m : all) m.ns.push_back(m.run(m.count));
  }
  std::printf("{\n  \"bench\": \"primitives\",\n  \"unit\": \"ns\",\n  \"rounds\": %d,\n  \"results\": [\n", rounds);
  for (std::size_t i = 0; i < all.size(); ++i) {
    Measurement& m = all[i];
    std::sort(m.ns.begin(), m.ns.end());
    std::printf(
        "    {\"name\": \"%s\", \"clock\": \"%s\", \"median\": %.1f, \"p25\": %.1f, \"p75\": %.1f, \"min\": %.1f, "
        "\"max\": %.1f, "
        "\"what\": "
        "\"%s\"}%s\n",
        m.name, m.clock, quantile(m.ns, 0.5), quantile(m.ns, 0.25), quantile(m.ns, 0.75), m.ns.front(), m.ns.back(),
        m.what, i + 1 < all.size() ? "," : "");
  }
  std::printf("  ]\n}\n");
  return 0;
}
