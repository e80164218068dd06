// paced_goroutines COUNT: creates COUNT goroutines that end at once, one after the other on one P, and prints the CPU
// time that each took, in ns. How many tracepoints that is says the trace.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "netpoll/runtime.h"

namespace {

std::int64_t cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t count = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  std::int64_t taken = 0;
  netpoll::Runtime runtime({.procs = 1});
  runtime.run([&] {
    const std::int64_t begin = cpu_ns();
    for (std::int64_t i = 0; i < count; ++i) {
      netpoll::go([] {});
      netpoll::yield();
    }
    taken = cpu_ns() - begin;
  });
  std::printf("%lld\n", static_cast<long long>(taken / (count > 0 ? count : 1)));
  return 0;
}
