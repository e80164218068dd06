// A libruntime program whose goroutines wait, and which says for what:
//
//   waiting COUNT
//
// prints "pid PID", for each goroutine "goroutine GOID WAIT [FD]", WAIT being accept, read, deadline, sleep or channel,
// and "ready"; ends with its standard input.
#include <process.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "netpoll/go.h"
#include "netpoll/net/conn.h"
#include "netpoll/net/dial.h"
#include "netpoll/net/listener.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "netpoll/time.h"

using namespace std::chrono_literals;

namespace {

template <typename T>
T must(netpoll::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::exit(1);
}

void say(const char* wait, int fd = -1) {
  const auto goid = static_cast<unsigned long long>(netpoll::goid());
  if (fd < 0) {
    std::printf("goroutine %llu %s\n", goid, wait);
  } else {
    std::printf("goroutine %llu %s %d\n", goid, wait, fd);
  }
}

void wait_for_all(int count) {
  auto listener = std::make_shared<netpoll::Listener>(must(netpoll::Listener::listen("127.0.0.1:0")));
  std::vector<netpoll::Conn> clients;
  std::vector<std::shared_ptr<netpoll::Conn>> served;
  for (int i = 0; i < count; ++i) {
    clients.push_back(must(netpoll::dial(listener->local())));
    served.push_back(std::make_shared<netpoll::Conn>(must(listener->accept())));
    netpoll::go([conn = served.back(), last = i == count - 1] {
      if (last) (void)conn->set_read_deadline(netpoll::after(1h));
      say(last ? "deadline" : "read", conn->fd());
      std::byte byte;
      (void)conn->read({&byte, 1});
    });
  }
  netpoll::go([listener] {
    say("accept", listener->fd());
    (void)listener->accept();
  });
  netpoll::go([] {
    say("sleep");
    (void)netpoll::sleep(1h);
  });
  auto channel = std::make_shared<netpoll::Channel<int>>();
  netpoll::go([channel] {
    say("channel");
    (void)channel->recv();
  });
  (void)netpoll::sleep(200ms);
  std::printf("ready\n");
  std::fflush(stdout);
  netpoll::block_on([] {
    while (std::getchar() != EOF) {
    }
  });
  std::exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("pid %d\n", _getpid());
  netpoll::Runtime runtime;
  runtime.run([&] { wait_for_all(argc > 1 ? std::atoi(argv[1]) : 3); });
}
