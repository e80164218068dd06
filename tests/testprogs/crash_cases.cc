// Ends in the way its argument names, so that a test can read what the runtime says about it.
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <thread>

#include "libruntime/context/sanitizer.h"
#include "libruntime/context/stack.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/cond.h"
#include "netpoll/sync/context.h"
#include "netpoll/sync/mutex.h"
#include "netpoll/sync/once.h"
#include "netpoll/sync/rwmutex.h"
#include "netpoll/sync/select.h"
#include "netpoll/sync/semaphore.h"
#include "netpoll/sync/wait_group.h"

namespace {

using namespace netpoll;

// Not a tail call, and every frame is touched.
__attribute__((noinline)) int eat_stack(int depth) {
  volatile char frame[512];
  frame[0] = static_cast<char>(depth);
  if (depth < 0) return 0;
  return eat_stack(depth + 1) + frame[0];
}

void overflow() {
  Runtime runtime({.procs = 1});
  runtime.run([] { go([] { std::printf("%d\n", eat_stack(0)); }); }, Runtime::Shutdown::kWait);
}

// One frame larger than stack and guard together, or nearly; neighbours are there to be stepped on.
template <std::size_t kKib>
__attribute__((noinline)) int large_frame() {
  volatile char frame[kKib * 1024];
  frame[0] = 1;
  // A compiler that knows that nobody else sees the rest keeps one byte of it (clang does).
  __asm__ volatile("" : : "r"(&frame[0]) : "memory");
  return frame[0];
}

template <std::size_t kKib>
void overflow_in_one_frame() {
  Runtime runtime({.procs = 1});
  runtime.run(
      [] {
        for (int i = 0; i < 8; ++i) go([] { (void)sleep(std::chrono::seconds(1)); });
        yield();
        go([] { std::printf("went on: %d\n", large_frame<kKib>()); });
      },
      Runtime::Shutdown::kWait);
}

// What sanitizers make stacks larger by (sched/scheduler.cc).
#if defined(NETPOLL_ASAN) || defined(NETPOLL_TSAN)
constexpr std::size_t kStackScale = 4;
#else
constexpr std::size_t kStackScale = 1;
#endif

// Runs over the end of the stack by something between 600 bytes and 3 KiB, which harms no neighbour.
__attribute__((noinline)) int step_over_the_end(const char* end) {
  volatile char frame[512];
  frame[0] = 1;
  if (const_cast<const char*>(&frame[0]) < end - 600) return 0;
  return step_over_the_end(end) + frame[0];
}

// On a kernel whose guards need mappings, when there are none left.
void overflow_unguarded() {
  context::pretend_old_kernel(1);
  Runtime runtime({.procs = 1});
  runtime.run(
      [] {
        go([] { (void)sleep(std::chrono::milliseconds(1)); });
        go([] {
          std::printf("%d\n", step_over_the_end(static_cast<const char*>(sched::current_g()->stack.lo)));
          yield();
          std::puts("went on");
        });
      },
      Runtime::Shutdown::kWait);
}

void many_unguarded() {
  context::pretend_old_kernel(10);
  Runtime runtime({.procs = 2});
  int done = 0;
  Mutex mutex;
  runtime.run(
      [&] {
        for (int i = 0; i < 1000; ++i) {
          go([&] {
            yield();
            const std::lock_guard lock(mutex);
            ++done;
          });
        }
      },
      Runtime::Shutdown::kWait);
  std::printf("%d done\n", done);
}

void deadlock() {
  Runtime runtime({.procs = 2, .name = "stuck"});
  runtime.run([] {
    Channel<int> nobody(0);
    go([&] { (void)nobody.recv(); });
    (void)nobody.recv();
  });
}

// Two Runtimes whose goroutines wait for each other, each in the run() of a thread of its own.
void deadlock_of_two() {
  Runtime one({.procs = 1, .name = "one"});
  Runtime other({.procs = 2, .name = "other"});
  Channel<int> there;
  Channel<int> back;
  std::thread second([&] { other.run([&] { (void)there.recv(); }); });
  one.run([&] {
    (void)back.recv();
    (void)there.send(1);
  });
  second.join();
}

// Everybody who could have sent is gone: a thread that ends, a goroutine of another Runtime that stops reading.
void deadlock_after_others() {
  Runtime runtime({.procs = 2, .name = "stuck"});
  Runtime other({.procs = 2, .name = "other"});
  Channel<int> nobody;
  std::thread([] { std::this_thread::sleep_for(std::chrono::milliseconds(250)); }).detach();
  std::atomic<bool> parked{false};
  other.go([&parked] {
    auto sockets = socket_pair();
    if (!sockets) return;
    go([&] { (void)sleep(std::chrono::milliseconds(300)); });
    (void)sockets->first.set_read_deadline(after(std::chrono::milliseconds(150)));
    std::byte buffer[1];
    parked = true;
    (void)sockets->first.read(buffer);
  });
  while (!parked) std::this_thread::yield();
  runtime.run([&] { (void)nobody.recv(); });
}

// The waits of sync/, and what ends each of them. All goroutines of a Runtime are in one of these at a time.
struct Waits {
  Channel<int> received;
  Channel<int> sent;
  Channel<int> selected;
  Channel<int> closed;
  Semaphore semaphore{0};
  WaitGroup group{1};
  Mutex mutex;
  RwMutex for_reading;
  RwMutex for_writing;
  Mutex cond_mutex;
  Cond cond;
  bool changed = false;
  Context context;
  Context canceled;
  Once once;
  std::atomic<int> ended{0};

  // By a goroutine of another Runtime, since it takes what others wait for.
  void hold() {
    mutex.lock();
    for_reading.lock();
    for_writing.lock_shared();
  }
  // In the Runtime that waits. Returns how many wait.
  int wait() {
    int ways = 0;
    const auto way = [&](auto f) {
      ++ways;
      go([this, f] {
        f();
        ++ended;
      });
    };
    way([this] { (void)received.recv(); });
    way([this] { (void)sent.send(1); });
    way([this] { (void)select(on_recv(selected, [](auto) {})); });
    way([this] { (void)closed.recv(); });
    way([this] { (void)semaphore.acquire(); });
    way([this] { group.wait(); });
    way([this] { const std::lock_guard lock(mutex); });
    way([this] { const std::shared_lock lock(for_reading); });
    way([this] { const std::lock_guard lock(for_writing); });
    way([this] {
      const std::lock_guard lock(cond_mutex);
      (void)cond.wait(cond_mutex, [this] { return changed; });
    });
    way([this] { (void)context.wait(); });
    way([this] { (void)select(on_done(canceled)); });
    way([this] { once.call([] {}); });
    return ways;
  }
  // By a goroutine of another Runtime.
  void let_go() {
    mutex.unlock();
    for_reading.unlock();
    for_writing.unlock_shared();
  }
  // By anybody. Leaves cond_mutex locked, for a goroutine to unlock.
  void wake() {
    while (received.try_send(1) != TryResult::kOk) std::this_thread::yield();
    while (!sent.try_recv()) std::this_thread::yield();
    while (selected.try_send(1) != TryResult::kOk) std::this_thread::yield();
    closed.close();
    semaphore.release();
    group.done();
    while (!cond_mutex.try_lock()) std::this_thread::yield();
    changed = true;
    cond.notify_all();
    context.cancel();
    canceled.cancel();
  }
};

// Long enough for a detector that asks after 30 ms of rest, twice, a tick apart.
constexpr auto kLookedTwice = std::chrono::milliseconds(150);

// argv[2] of the cases below: the poll mode; argv[3]: Ps.
Config setup;

// Everything waits for another Runtime, whose goroutine sleeps, computes in a blocking call, or waits for I/O.
void fed_by_a_runtime() {
  Runtime other(setup);
  Runtime runtime(setup);
  Waits waits;
  int ways = 0;
  std::atomic<bool> held{false};
  std::atomic<bool> waiting{false};
  other.go([&] {
    waits.hold();
    waits.once.call([&] {
      held = true;
      while (!waiting) (void)sleep(std::chrono::milliseconds(1));
      (void)sleep(kLookedTwice);
      block_on([] { std::this_thread::sleep_for(kLookedTwice); });
      auto sockets = socket_pair();
      const pid_t child = fork();
      if (child == 0) {
        const timespec pause{0, std::chrono::nanoseconds(kLookedTwice).count()};
        nanosleep(&pause, nullptr);
        _exit(0);
      }
      // Ends with the child, which has the other end too.
      std::byte buffer[1];
      (void)sockets->second.close();
      (void)sockets->first.read(buffer);
      block_on([&] { return waitpid(child, nullptr, 0); });
    });
    waits.let_go();
    waits.wake();
    waits.cond_mutex.unlock();
  });
  while (!held) std::this_thread::yield();
  runtime.run(
      [&] {
        ways = waits.wait();
        waiting = true;
      },
      Runtime::Shutdown::kWait);
  std::printf("%d of %d went on\n", waits.ended.load(), ways);
}

// Everything waits for a plain thread. What only goroutines may do it lets one do, of a Runtime that rests until then.
void fed_by_a_thread() {
  Runtime other(setup);
  Runtime runtime(setup);
  Waits waits;
  int ways = 0;
  std::atomic<bool> held{false};
  other.go([&] {
    waits.hold();
    held = true;
  });
  while (!held) std::this_thread::yield();
  std::thread outside([&] {
    std::this_thread::sleep_for(kLookedTwice);
    other.go([&] { waits.let_go(); });
    waits.wake();
    other.go([&] { waits.cond_mutex.unlock(); });
  });
  runtime.run([&] { ways = waits.wait(); }, Runtime::Shutdown::kWait);
  outside.join();
  std::printf("%d of %d went on\n", waits.ended.load(), ways);
}

// A program that is ended by its signal handler while every goroutine waits.
void ended_by_a_handler() {
  signal(SIGUSR1, [](int) {
    constexpr char kText[] = "handler ran\n";
    if (write(STDOUT_FILENO, kText, sizeof kText - 1) < 0) _exit(1);
    _exit(0);
  });
  const pid_t self = getpid();
  if (const pid_t child = fork(); child == 0) {
    const timespec pause{0, std::chrono::nanoseconds(kLookedTwice).count()};
    nanosleep(&pause, nullptr);
    kill(self, SIGUSR1);
    _exit(0);
  }
  Runtime runtime(setup);
  runtime.run([] { (void)Channel<int>().recv(); });
}

void exception() {
  Runtime runtime({.procs = 1});
  runtime.run([] { go([] { throw std::runtime_error("out of cheese"); }); }, Runtime::Shutdown::kWait);
}

void hog() {
  Runtime runtime({.procs = 1});
  runtime.run([] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    while (std::chrono::steady_clock::now() < end) {
    }
  });
}

void swallowed_exit() {
  Runtime runtime({.procs = 1});
  runtime.run(
      [] {
        go([] {
          try {
            go_exit();
          } catch (...) {
          }
        });
      },
      Runtime::Shutdown::kWait);
}

void quiet() {
  Runtime runtime({.procs = 2});
  runtime.run([] {
    const auto sockets = socket_pair();
    (void)sleep(std::chrono::milliseconds(50));
  });
}

struct Case {
  const char* name;
  void (*run)();
};
constexpr Case kCases[] = {
    {"overflow", overflow},
    {"overflow-frame-80", overflow_in_one_frame<80 * kStackScale>},
    {"overflow-frame-96", overflow_in_one_frame<96 * kStackScale>},
    {"overflow-frame-120", overflow_in_one_frame<120 * kStackScale>},
    {"overflow-frame-1024", overflow_in_one_frame<1024 * kStackScale>},
    {"overflow-unguarded", overflow_unguarded},
    {"many-unguarded", many_unguarded},
    {"deadlock", deadlock},
    {"deadlock-of-two", deadlock_of_two},
    {"deadlock-after-others", deadlock_after_others},
    {"fed-by-a-runtime", fed_by_a_runtime},
    {"fed-by-a-thread", fed_by_a_thread},
    {"ended-by-a-handler", ended_by_a_handler},
    {"exception", exception},
    {"hog", hog},
    {"quiet", quiet},
    {"swallowed_exit", swallowed_exit},
};

}  // namespace

int main(int argc, char** argv) {
  for (const Case& c : kCases) {
    if (argc >= 2 && std::strcmp(argv[1], c.name) == 0) {
      if (argc == 4) {
        setup.poll_mode = parse_poll_mode(argv[2]).value();
        setup.procs = std::atoi(argv[3]);
      }
      c.run();
      return 0;
    }
  }
  std::fprintf(stderr, "usage: crash_cases CASE [POLL_MODE PROCS]\n");
  return 2;
}
