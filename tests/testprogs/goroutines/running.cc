// A libruntime program one of whose goroutines runs for ever, while its main one is in a blocking call: it reads its
// standard input. Prints "ready", and ends with its standard input.
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "netpoll/runtime.h"

namespace {

std::atomic<bool> stop = false;
std::atomic<std::uint64_t> turns = 0;

[[gnu::noinline]] void turn_for_ever() {
  while (!stop) ++turns;
}

[[gnu::noinline]] void start_turning() {
  turn_for_ever();
  __asm__ volatile("");  // not a tail call
}

[[gnu::noinline]] void read_input() {
  netpoll::block_on([] {
    char byte;
    return ::read(0, &byte, 1);
  });
  __asm__ volatile("");
}

}  // namespace

int main() {
  netpoll::Runtime runtime({.procs = 2, .name = "running"});
  runtime.run([] {
    netpoll::go(start_turning);
    while (turns == 0) netpoll::yield();
    std::puts("ready");
    std::fflush(stdout);
    read_input();
    stop = true;
  });
  return 0;
}
