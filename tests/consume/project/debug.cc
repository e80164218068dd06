// A consumer of netpoll::debug: its snapshot has stacks, and its endpoint answers.
#include <netpoll/debug/endpoint.h>
#include <netpoll/runtime.h>

#include <cstdio>

int main() {
  netpoll::Runtime runtime;
  auto endpoint = netpoll::debug::serve(runtime, {.address = "127.0.0.1:0"});
  if (!endpoint) return 1;
  std::size_t frames = 0;
  runtime.run([&] {
    netpoll::go([] { (void)netpoll::sleep(std::chrono::hours(1)); });
    while (frames == 0) {
      netpoll::yield();
      for (const auto& g : runtime.snapshot().goroutines) frames += g.stack.size();
    }
  });
  std::printf("frames\n");
  return 0;
}
