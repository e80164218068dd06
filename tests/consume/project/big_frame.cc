// A stranger's program whose goroutine needs more stack than it has, in one frame. The message is to name it.
#include <netpoll/runtime.h>

#include <cstdio>

namespace {

[[gnu::noinline]] int use_80_kib() {
  volatile char buffer[80 * 1024];
  buffer[0] = 1;
  return buffer[0];
}

}  // namespace

int main() {
  netpoll::Runtime runtime({.procs = 2});
  runtime.run([] { std::printf("went on with %d\n", use_80_kib()); });
}
