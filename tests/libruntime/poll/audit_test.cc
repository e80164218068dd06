// Somebody else's epoll_ctl on the runtime's epoll instance is found and repaired, with the real kernel.
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <string>

#include "netpoll/fd.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "tests/libruntime/goroutines.h"
#include "tests/support/catch.h"
#include "tests/support/procs.h"

namespace netpoll {
namespace {

// The one epoll instance of this process.
int find_epfd() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(entry.path(), error);
    if (!error && target == "anon_inode:[eventpoll]") return std::stoi(entry.path().filename());
  }
  return -1;
}

enum class Interference { kNone, kRemoved, kModified };

// A goroutine reads; `what` happens to its registration; a snapshot is taken; then the byte arrives.
void interfere(Trigger trigger, Interference what) {
  bool seen = false;
  std::atomic<int> got{-1};
  Config config;
  config.procs = test::procs();
  config.trigger = trigger;
  Runtime runtime(config);
  runtime.run([&] {
    auto sockets = socket_pair();
    Conn& reader = sockets->first;
    go([&] {
      std::array<std::byte, 8> buffer;
      got = static_cast<int>(reader.read(buffer).value_or(99));
    });
    const auto waits = [&] {
      for (const auto& g : runtime.snapshot().goroutines) {
        if (g.fd == reader.fd() && g.io_wait) return true;
      }
      return false;
    };
    test::until(waits);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = reader.fd();
    if (what == Interference::kRemoved) epoll_ctl(find_epfd(), EPOLL_CTL_DEL, reader.fd(), nullptr);
    if (what == Interference::kModified) epoll_ctl(find_epfd(), EPOLL_CTL_MOD, reader.fd(), &event);
    for (const auto& g : runtime.snapshot().goroutines) seen |= g.fd == reader.fd() && g.foreign_change;
    const std::array<std::byte, 1> byte{};
    (void)sockets->second.write(byte);
    test::until([&] { return got >= 0; });
  });
  CHECK(seen == (what != Interference::kNone));
  CHECK(got == 1);
}

TEST_CASE("a registration that somebody removed is reported, repaired, and its reader still wakes") {
  for (const Trigger trigger : {Trigger::kEdge, Trigger::kOneshot, Trigger::kLevel}) {
    INFO(trigger_name(trigger));
    interfere(trigger, Interference::kRemoved);
  }
}

TEST_CASE("a registration whose data somebody replaced is reported, repaired, and its reader still wakes") {
  for (const Trigger trigger : {Trigger::kEdge, Trigger::kOneshot, Trigger::kLevel}) {
    INFO(trigger_name(trigger));
    interfere(trigger, Interference::kModified);
  }
}

TEST_CASE("an older registration under the same number does not hide that the present one was removed") {
  bool seen = false;
  std::atomic<int> got{-1};
  Config config;
  config.procs = test::procs();
  Runtime runtime(config);
  runtime.run([&] {
    auto old = socket_pair();
    const int number = old->first.fd();
    const Fd elsewhere(dup(number));  // nobody told the runtime, so close() leaves the registration to the kernel
    (void)old->first.close();
    auto sockets = socket_pair();
    Conn& reader = sockets->first.fd() == number ? sockets->first : sockets->second;
    Conn& writer = sockets->first.fd() == number ? sockets->second : sockets->first;
    if (reader.fd() != number) return;  // another thread took the number; `got` will say so
    go([&] {
      std::array<std::byte, 8> buffer;
      got = static_cast<int>(reader.read(buffer).value_or(99));
    });
    const auto waits = [&] {
      for (const auto& g : runtime.snapshot().goroutines) {
        if (g.fd == number && g.io_wait) return true;
      }
      return false;
    };
    test::until(waits);
    epoll_ctl(find_epfd(), EPOLL_CTL_DEL, number, nullptr);
    for (const auto& g : runtime.snapshot().goroutines) seen |= g.fd == number && g.foreign_change;
    const std::array<std::byte, 1> byte{};
    (void)writer.write(byte);
    test::until([&] { return got >= 0; });
  });
  CHECK(seen);
  CHECK(got == 1);
}

TEST_CASE("registrations that nobody touched are not reported") {
  for (const Trigger trigger : {Trigger::kEdge, Trigger::kOneshot, Trigger::kLevel}) {
    INFO(trigger_name(trigger));
    interfere(trigger, Interference::kNone);
  }
}

}  // namespace
}  // namespace netpoll
