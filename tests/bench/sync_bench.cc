// sync_bench: what the objects of netpoll/sync cost, as JSON on stdout.
//
//   sync_bench [ROUNDS [NAME]]     NAME: only measurements whose name contains it
//
// Every measurement runs once per round and the rounds are interleaved, so that a change of the machine's speed hits
// all of them. Reported per operation, in nanoseconds: the median of the rounds, and as spread the quartiles and
// extremes, by the wall clock; and as cpu the median of the processor time of the process, which other programs on the
// machine disturb less. All of it on one P, except where the name says otherwise.
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "libruntime/sched/wait.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/context.h"
#include "netpoll/sync/mutex.h"
#include "netpoll/sync/rwmutex.h"
#include "netpoll/sync/select.h"
#include "netpoll/sync/semaphore.h"
#include "netpoll/sync/wait_group.h"
#include "tests/bench/spread.h"

namespace {

using namespace netpoll;
using bench::quantile;

// Runs count operations inside a goroutine and returns how long that took.
using Body = std::function<void(std::int64_t count)>;

struct Measurement {
  std::string name;
  std::string what;
  int procs;
  std::int64_t count;
  Body body;
  std::vector<double> ns{};
  std::vector<double> cpu_ns{};
};

// Keeps the compiler from seeing through the objects under test.
template <typename T>
void opaque(T& object) {
  __asm__ volatile("" : : "r"(&object) : "memory");
}

void wait_ping_pong(std::int64_t count) {
  // The bare protocol: no list, no lock. Each side arms its wait, wakes the other, then parks.
  struct Side {
    sched::WaitHandle handle;
    bool armed = false;
  } sides[2];
  WaitGroup group;
  const auto run = [&](Side& own, Side& other) {
    for (std::int64_t i = 0; i < count; ++i) {
      own.handle = sched::begin_wait();
      own.armed = true;
      if (other.armed) {
        other.armed = false;
        sched::wake(other.handle, sched::WakeResult::kOk);
      }
      sched::finish_wait(own.handle, WaitReason::kSemaphore, false);
    }
    if (other.armed) {
      other.armed = false;
      sched::wake(other.handle, sched::WakeResult::kOk);
    }
  };
  group.go([&] { run(sides[0], sides[1]); });
  group.go([&] { run(sides[1], sides[0]); });
  group.wait();
}

void channel_ping_pong(std::int64_t count) {
  const Channel<std::int64_t> there;
  const Channel<std::int64_t> back;
  go([there, back] {
    for (const std::int64_t value : there) (void)back.send(value);
    back.close();
  });
  for (std::int64_t i = 0; i < count; ++i) {
    (void)there.send(i);
    (void)back.recv();
  }
  there.close();
  (void)back.recv();
}

void semaphore_ping_pong(std::int64_t count) {
  Semaphore ping(0);
  Semaphore pong(0);
  WaitGroup group;
  group.go([&] {
    for (std::int64_t i = 0; i < count; ++i) {
      (void)ping.acquire();
      pong.release();
    }
  });
  for (std::int64_t i = 0; i < count; ++i) {
    ping.release();
    (void)pong.acquire();
  }
  group.wait();
}

template <typename M>
void lock_unlock(std::int64_t count) {
  M mutex;
  for (std::int64_t i = 0; i < count; ++i) {
    opaque(mutex);
    mutex.lock();
    opaque(mutex);
    mutex.unlock();
  }
}

void read_lock_unlock(std::int64_t count) {
  RwMutex mutex;
  for (std::int64_t i = 0; i < count; ++i) {
    opaque(mutex);
    mutex.lock_shared();
    opaque(mutex);
    mutex.unlock_shared();
  }
}

void contended_lock(std::int64_t count) {
  Mutex mutex;
  std::int64_t shared = 0;
  WaitGroup group;
  for (int i = 0; i < 4; ++i) {
    group.go([&] {
      for (std::int64_t n = 0; n < count / 4; ++n) {
        const std::lock_guard hold(mutex);
        opaque(shared);
        ++shared;
      }
    });
  }
  group.wait();
}

void buffered_send_recv(std::int64_t count) {
  const Channel<std::int64_t> channel(16);
  for (std::int64_t i = 0; i < count; ++i) {
    (void)channel.send(i);
    (void)channel.recv();
  }
}

void buffered_stream(std::int64_t count) {
  const Channel<std::int64_t> channel(128);
  go([channel, count] {
    for (std::int64_t i = 0; i < count; ++i) (void)channel.send(i);
    channel.close();
  });
  while (channel.recv()) {
  }
}

void select_ready(std::int64_t count) {
  const Channel<std::int64_t> one(1);
  const Channel<std::int64_t> two(1);
  for (std::int64_t i = 0; i < count; ++i) {
    (void)one.send(i);
    (void)select(on_recv(one, [](std::optional<std::int64_t>) {}), on_recv(two, [](std::optional<std::int64_t>) {}));
  }
}

void select_otherwise(std::int64_t count) {
  const Channel<std::int64_t> one(1);
  const Channel<std::int64_t> two(1);
  for (std::int64_t i = 0; i < count; ++i) {
    (void)select(on_recv(one, [](std::optional<std::int64_t>) {}), on_recv(two, [](std::optional<std::int64_t>) {}),
                 otherwise());
  }
}

void select_ping_pong(std::int64_t count) {
  const Channel<std::int64_t> there;
  const Channel<std::int64_t> back;
  const Context context;
  go([there, back, context] {
    for (bool open = true; open;) {
      (void)select(on_recv(there,
                           [&](std::optional<std::int64_t> value) {
                             open = value.has_value();
                             if (open) (void)back.send(*value);
                           }),
                   on_done(context));
    }
    back.close();
  });
  for (std::int64_t i = 0; i < count; ++i) {
    (void)there.send(i);
    (void)select(on_recv(back, [](std::optional<std::int64_t>) {}), on_done(context));
  }
  there.close();
  (void)back.recv();
}

void fan_out(std::int64_t count) {
  WaitGroup group;
  for (std::int64_t left = count; left > 0; left -= 100) {
    for (int i = 0; i < 100; ++i) group.go([] {});
    group.wait();
  }
}

double read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return 1e9 * static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec);
}

void run_once(Measurement& m) {
  Runtime runtime({.procs = m.procs});
  runtime.run([&] {
    m.body(m.count / 10);  // warm: stacks, caches, the clock interval of the P
    const double cpu_start = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    const double start = read_clock(CLOCK_MONOTONIC);
    m.body(m.count);
    m.ns.push_back((read_clock(CLOCK_MONOTONIC) - start) / static_cast<double>(m.count));
    m.cpu_ns.push_back((read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu_start) / static_cast<double>(m.count));
  });
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  std::vector<Measurement> all = {
      {"park_ready_round_trip", "two parks and two wake-ups, wait protocol alone", 1, 200'000, wait_ping_pong},
      {"semaphore_round_trip", "two releases, each of which wakes a waiter", 1, 200'000, semaphore_ping_pong},
      {"channel_round_trip", "there and back over two rendezvous channels", 1, 200'000, channel_ping_pong},
      {"channel_round_trip_2p", "the same with two Ps", 2, 100'000, channel_ping_pong},
      {"channel_buffered", "send and receive through a buffer, nobody waits", 1, 500'000, buffered_send_recv},
      {"channel_stream", "one element from goroutine to goroutine, buffer of 128", 1, 500'000, buffered_stream},
      {"channel_stream_2p", "the same with two Ps", 2, 500'000, buffered_stream},
      {"mutex", "lock and unlock, uncontended", 1, 2'000'000, lock_unlock<Mutex>},
      {"std_mutex", "the same of std::mutex, for comparison", 1, 2'000'000, lock_unlock<std::mutex>},
      {"mutex_contended_2p", "lock, increment, unlock by four goroutines on two Ps", 2, 1'000'000, contended_lock},
      {"rwmutex_read", "lock_shared and unlock_shared, uncontended", 1, 2'000'000, read_lock_unlock},
      {"select_ready", "send, then select of two receives, one ready", 1, 500'000, select_ready},
      {"select_otherwise", "select of two receives, none ready, with otherwise", 1, 500'000, select_otherwise},
      {"select_round_trip", "as channel_round_trip, receiving by select with a context", 1, 200'000, select_ping_pong},
      {"wait_group_go", "one goroutine started, run and waited for, in hundreds", 1, 200'000, fan_out},
  };
  if (argc > 2) {
    std::erase_if(all, [name = argv[2]](const Measurement& m) { return m.name.find(name) == std::string::npos; });
  }
  for (int round = 0; round < rounds; ++round) {
    for (Measurement& m : all) run_once(m);
  }
  std::printf("{\n  \"bench\": \"sync\",\n  \"unit\": \"ns\",\n  \"rounds\": %d,\n  \"results\": [\n", rounds);
  for (std::size_t i = 0; i < all.size(); ++i) {
    Measurement& m = all[i];
    std::sort(m.ns.begin(), m.ns.end());
    std::sort(m.cpu_ns.begin(), m.cpu_ns.end());
    std::printf(
        "    {\"name\": \"%s\", \"procs\": %d, \"median\": %.1f, \"p25\": %.1f, \"p75\": %.1f, \"min\": %.1f, \"max\": "
        "%.1f, \"cpu\": %.1f, \"what\": \"%s\"}%s\n",
        m.name.c_str(), m.procs, quantile(m.ns, 0.5), quantile(m.ns, 0.25), quantile(m.ns, 0.75), m.ns.front(),
        m.ns.back(), quantile(m.cpu_ns, 0.5), m.what.c_str(), i + 1 < all.size() ? "," : "");
  }
  std::printf("  ]\n}\n");
  return 0;
}
