// Ends in the way its argument names, so that a test can read what the runtime says about it.
#include <cstdio>
#include <cstring>
#include <mutex>
#include <stdexcept>

#include "libruntime/context/stack.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/mutex.h"

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
    {"overflow-unguarded", overflow_unguarded},
    {"many-unguarded", many_unguarded},
    {"deadlock", deadlock},
    {"exception", exception},
    {"hog", hog},
    {"quiet", quiet},
    {"swallowed_exit", swallowed_exit},
};

}  // namespace

int main(int argc, char** argv) {
  for (const Case& c : kCases) {
    if (argc == 2 && std::strcmp(argv[1], c.name) == 0) {
      c.run();
      return 0;
    }
  }
  std::fprintf(stderr, "usage: crash_cases CASE\n");
  return 2;
}
