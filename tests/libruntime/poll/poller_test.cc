// The contract of poll/poller.h, for each back end of this build that reports readiness and each trigger, with real
// descriptors.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "libruntime/poll/poller.h"
#include "netpoll/fd.h"
#include "netpoll/runtime.h"
#include "tests/support/catch.h"
#include "tests/support/death.h"

namespace netpoll::poll {
namespace {

constexpr std::uint64_t kData = 0x0123456700000042;  // as wide as the pollDesc's
constexpr std::int64_t kLong = 20'000'000'000;       // ns; nothing here waits so long unless it fails
constexpr std::uint32_t kBoth = kReadBit | kWriteBit;

struct Pair {
  Fd ours;
  Fd peer;
  Pair() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    ours.reset(fds[0]);
    peer.reset(fds[1]);
  }
  void send() const { REQUIRE(write(peer.get(), "x", 1) == 1); }
  void receive() const {
    char buffer[16];
    REQUIRE(read(ours.get(), buffer, sizeof buffer) > 0);
  }
};

// What one poll says of data: its directions and marks, merged.
struct Seen {
  std::uint32_t modes = 0;
  bool hangup = false;
  bool lasting = false;
  bool foreign = false;  // an event with other data
};

Seen poll_once(Poller& poller, std::int64_t delay_ns, std::uint64_t data = kData) {
  Readiness events[16];
  const int count = poller.poll(delay_ns, events, 16);
  REQUIRE(count >= 0);
  Seen seen;
  for (int i = 0; i < count; ++i) {
    seen.foreign |= events[i].data != data;
    seen.modes |= events[i].modes;
    seen.hangup |= events[i].hangup;
    seen.lasting |= events[i].lasting;
  }
  return seen;
}

// Polls until every direction of `modes` was reported. Back ends may report them together or apart.
Seen poll_for(Poller& poller, std::uint32_t modes, std::uint64_t data = kData) {
  Seen all;
  while ((all.modes & modes) != modes) {
    const Seen seen = poll_once(poller, kLong, data);
    REQUIRE(seen.modes != 0);
    all.modes |= seen.modes;
    all.hangup |= seen.hangup;
    all.lasting |= seen.lasting;
    all.foreign |= seen.foreign;
  }
  return all;
}

void for_each(std::initializer_list<Trigger> triggers, const std::function<void(Poller&, Trigger)>& body) {
  for (const PollerKind kind : back_ends()) {
    for (const Trigger trigger : triggers) {
      INFO(poller_name(kind) << " " << trigger_name(trigger));
      const auto poller = make_poller(kind, trigger);
      REQUIRE(poller != nullptr);
      if (poller->completion() != nullptr) continue;
      REQUIRE(poller->init() == 0);
      body(*poller, trigger);
    }
  }
}

constexpr std::initializer_list<PollerKind> kKinds = {PollerKind::kEpoll, PollerKind::kKqueue, PollerKind::kUring,
                                                      PollerKind::kIocp};
constexpr std::initializer_list<Trigger> kAll = {Trigger::kEdge, Trigger::kOneshot, Trigger::kLevel};
constexpr std::initializer_list<Trigger> kArmed = {Trigger::kOneshot, Trigger::kLevel};

}  // namespace

TEST_CASE("a build has a back end, and the first one is the default") {
  REQUIRE_FALSE(back_ends().empty());
  CHECK(make_poller(PollerKind::kDefault, Trigger::kEdge) != nullptr);
  for (const PollerKind kind : kKinds) {
    bool listed = false;
    for (const PollerKind one : back_ends()) listed |= one == kind;
    CHECK((make_poller(kind, Trigger::kEdge) != nullptr) == listed);
    CHECK(parse_poller(poller_name(kind)) == kind);
  }
}

TEST_CASE("a Runtime that wants a back end which is not in the build says so and dies") {
  for (const PollerKind kind : kKinds) {
    const auto built = available_pollers();
    if (std::find(built.begin(), built.end(), kind) != built.end()) {
      CHECK(Runtime({.poller = kind}).config().poller == kind);
      continue;
    }
    const test::Death death = test::dies([&] { Runtime runtime({.poller = kind}); });
    CHECK(death.aborted);
    const std::string name(poller_name(kind));
    CHECK(death.message.find("the poller " + name + " is not in this build") != std::string::npos);
  }
}

TEST_CASE("edge: the readiness at registration is the first edge, with the whole data word") {
  for_each({Trigger::kEdge}, [](Poller& poller, Trigger) {
    const Pair pair;
    pair.send();
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    const Seen seen = poll_for(poller, kBoth);
    CHECK(seen.modes == kBoth);
    CHECK_FALSE(seen.foreign);
    CHECK_FALSE(seen.hangup);
    CHECK(poll_once(poller, 0).modes == 0);  // reported once, although the byte is still there
    pair.send();
    CHECK((poll_for(poller, kReadBit).modes & kReadBit) != 0);
    CHECK(poller.close(pair.ours.get()) == 0);
  });
}

TEST_CASE("edge: a byte that comes after the first was read is a new edge") {
  for_each({Trigger::kEdge}, [](Poller& poller, Trigger) {
    const Pair pair;
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    poll_for(poller, kWriteBit);
    for (int i = 0; i < 3; ++i) {
      pair.send();
      CHECK((poll_for(poller, kReadBit).modes & kReadBit) != 0);
      pair.receive();
    }
  });
}

TEST_CASE("edge: space after a full buffer is an edge of the write direction") {
  for_each({Trigger::kEdge}, [](Poller& poller, Trigger) {
    const Pair pair;
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    poll_for(poller, kWriteBit);
    std::array<char, 65536> chunk{};
    while (write(pair.ours.get(), chunk.data(), chunk.size()) > 0) {
    }
    while (poll_once(poller, 0).modes != 0) {
    }
    while (read(pair.peer.get(), chunk.data(), chunk.size()) > 0) {
    }
    CHECK((poll_for(poller, kWriteBit).modes & kWriteBit) != 0);
  });
}

TEST_CASE("oneshot and level: nothing is reported before it is armed, and then what is there already") {
  for_each(kArmed, [](Poller& poller, Trigger trigger) {
    const Pair pair;
    pair.send();
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    CHECK(poll_once(poller, 0).modes == 0);
    REQUIRE(poller.arm(pair.ours.get(), kData, kReadBit) == 0);
    CHECK(poll_for(poller, kReadBit).modes == kReadBit);
    const std::uint32_t again = poll_once(poller, 0).modes;
    CHECK(again == (trigger == Trigger::kLevel ? kReadBit : 0u));
    REQUIRE(poller.arm(pair.ours.get(), kData, 0) == 0);
    CHECK(poll_once(poller, 0).modes == 0);
    REQUIRE(poller.arm(pair.ours.get(), kData, kBoth) == 0);
    CHECK(poll_for(poller, kReadBit).modes != 0);
    CHECK(poller.close(pair.ours.get()) == 0);
  });
}

TEST_CASE("oneshot: what is armed again without a read is reported again") {
  for_each({Trigger::kOneshot}, [](Poller& poller, Trigger) {
    const Pair pair;
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    pair.send();
    for (int i = 0; i < 3; ++i) {
      REQUIRE(poller.arm(pair.ours.get(), kData, kReadBit) == 0);
      CHECK(poll_for(poller, kReadBit).modes == kReadBit);
      CHECK(poll_once(poller, 0).modes == 0);
    }
  });
}

TEST_CASE("oneshot and level: a hangup while nothing is armed does not keep the poller busy") {
  for_each(kArmed, [](Poller& poller, Trigger) {
    Pair pair;
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    REQUIRE(poller.arm(pair.ours.get(), kData, kReadBit) == 0);
    REQUIRE(poller.arm(pair.ours.get(), kData, 0) == 0);
    pair.peer.reset();
    int reported = 0;
    for (int i = 0; i < 20; ++i) reported += poll_once(poller, 0).modes != 0 ? 1 : 0;
    CHECK(reported <= 1);
    REQUIRE(poller.arm(pair.ours.get(), kData, kReadBit) == 0);
    CHECK(poll_for(poller, kReadBit).hangup);
  });
}

TEST_CASE("oneshot and level: something lasting is reported with every arm, and once after arm_edge") {
  for_each(kArmed, [](Poller& poller, Trigger) {
    Pair pair;
    const int fd = pair.ours.get();
    REQUIRE(poller.open(fd, kData) == 0);
    REQUIRE(poller.arm(fd, kData, kReadBit) == 0);
    CHECK_FALSE(poll_once(poller, 0).lasting);
    pair.send();
    CHECK_FALSE(poll_for(poller, kReadBit).lasting);
    pair.receive();
    pair.peer.reset();
    for (int i = 0; i < 3; ++i) {
      REQUIRE(poller.arm(fd, kData, kReadBit) == 0);
      CHECK(poll_for(poller, kReadBit).lasting);
    }
    REQUIRE(poller.arm_edge(fd, kData + 1) == 0);
    CHECK_FALSE(poll_for(poller, kBoth, kData + 1).foreign);
    CHECK(poll_once(poller, 0).modes == 0);
    CHECK(poller.close(fd) == 0);
    CHECK(poller.close(fd) == -ENOENT);
  });
}

TEST_CASE("oneshot and level: arm_edge reports both directions, each time something new happens") {
  for_each(kArmed, [](Poller& poller, Trigger) {
    const Pair pair;
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    REQUIRE(poller.arm(pair.ours.get(), kData, kReadBit) == 0);
    REQUIRE(poller.arm_edge(pair.ours.get(), kData) == 0);
    poll_for(poller, kWriteBit);
    for (int i = 0; i < 3; ++i) {
      pair.send();
      CHECK((poll_for(poller, kReadBit).modes & kReadBit) != 0);
      while (poll_once(poller, 0).modes != 0) {
      }
      pair.receive();
    }
  });
}

TEST_CASE("the end of a stream is a hangup, also when it shares its report with data") {
  for_each(kAll, [](Poller& poller, Trigger trigger) {
    const Pair pair;
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    pair.send();
    REQUIRE(shutdown(pair.peer.get(), SHUT_WR) == 0);
    if (trigger != Trigger::kEdge) REQUIRE(poller.arm(pair.ours.get(), kData, kReadBit) == 0);
    CHECK(poll_for(poller, kReadBit).hangup);
  });
}

TEST_CASE("the reader of a pipe that goes wakes its writer") {
  for_each(kAll, [](Poller& poller, Trigger trigger) {
    int ends[2];
    REQUIRE(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
    Fd reader(ends[0]);
    const Fd writer(ends[1]);
    std::array<char, 65536> chunk{};
    while (write(writer.get(), chunk.data(), chunk.size()) > 0) {
    }
    REQUIRE(poller.open(writer.get(), kData) == 0);
    if (trigger != Trigger::kEdge) REQUIRE(poller.arm(writer.get(), kData, kWriteBit) == 0);
    CHECK((poll_once(poller, 0).modes & kWriteBit) == 0);
    reader.reset();
    CHECK((poll_for(poller, kWriteBit).modes & kWriteBit) != 0);
  });
}

TEST_CASE("files that are always ready, and bad descriptors, are refused") {
  for_each(kAll, [](Poller& poller, Trigger) {
    const Fd regular(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    const Fd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    CHECK(poller.open(regular.get(), kData) == -EPERM);
    CHECK(poller.open(directory.get(), kData) == -EPERM);
    CHECK(poller.open(null.get(), kData) == -EPERM);
    CHECK(poller.open(9999, kData) == -EBADF);
  });
}

TEST_CASE("a closed registration reports nothing, and closing it twice says so") {
  for_each(kAll, [](Poller& poller, Trigger trigger) {
    const Pair pair;
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    if (trigger != Trigger::kEdge) REQUIRE(poller.arm(pair.ours.get(), kData, kBoth) == 0);
    CHECK(poller.close(pair.ours.get()) == 0);
    pair.send();
    CHECK(poll_once(poller, 0).modes == 0);
    CHECK(poller.close(pair.ours.get()) == -ENOENT);
  });
}

TEST_CASE("a descriptor number that lives again reports the data of its new life") {
  for_each(kAll, [](Poller& poller, Trigger trigger) {
    Pair first;
    const int number = first.ours.get();
    REQUIRE(poller.open(number, kData) == 0);
    if (poller.outlives_close(false)) CHECK(poller.close(number) == 0);
    first.ours.reset();
    const Pair second;  // takes the lowest free number
    REQUIRE(second.ours.get() == number);
    second.send();
    REQUIRE(poller.open(number, kData + 1) == 0);
    if (trigger != Trigger::kEdge) REQUIRE(poller.arm(number, kData + 1, kReadBit) == 0);
    CHECK_FALSE(poll_for(poller, kReadBit, kData + 1).foreign);
    CHECK(poller.close(number) == 0);
  });
}

TEST_CASE("repair brings a removed registration back, and replaces a foreign data word") {
  for_each(kAll, [](Poller& poller, Trigger trigger) {
    const Pair pair;
    pair.send();
    REQUIRE(poller.open(pair.ours.get(), kData) == 0);
    REQUIRE(poller.close(pair.ours.get()) == 0);
    REQUIRE(poller.repair(pair.ours.get(), kData) == 0);
    REQUIRE(poller.repair(pair.ours.get(), kData + 1) == 0);
    if (trigger != Trigger::kEdge) REQUIRE(poller.arm(pair.ours.get(), kData + 1, kReadBit) == 0);
    CHECK_FALSE(poll_for(poller, kReadBit, kData + 1).foreign);
  });
}

TEST_CASE("more events than fit are reported by the next polls") {
  for_each(kAll, [](Poller& poller, Trigger trigger) {
    constexpr std::size_t kPairs = 150;
    std::vector<Pair> pairs(kPairs);
    for (std::size_t i = 0; i < kPairs; ++i) {
      pairs[i].send();
      REQUIRE(poller.open(pairs[i].ours.get(), i + 1) == 0);
      if (trigger != Trigger::kEdge) REQUIRE(poller.arm(pairs[i].ours.get(), i + 1, kReadBit) == 0);
    }
    std::vector<bool> seen(kPairs + 1);
    std::size_t found = 0;
    while (found < kPairs) {
      Readiness events[128];
      const int count = poller.poll(kLong, events, 128);
      REQUIRE(count > 0);
      for (int i = 0; i < count; ++i) {
        REQUIRE(events[i].data >= 1);
        REQUIRE(events[i].data <= kPairs);
        if ((events[i].modes & kReadBit) == 0 || seen[events[i].data]) continue;
        seen[events[i].data] = true;
        ++found;
        if (trigger == Trigger::kLevel) pairs[events[i].data - 1].receive();
      }
    }
    CHECK(found == kPairs);
  });
}

}  // namespace netpoll::poll
