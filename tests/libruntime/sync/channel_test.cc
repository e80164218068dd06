// Channels: order, room, close, shutdown, and elements of every kind.
#include "netpoll/sync/channel.h"

#include <array>
#include <atomic>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;
using test::soon;
using test::until_parked;

namespace {

// Counts the objects alive, so that a lost or doubled life of an element shows.
struct Tracked {
  static inline std::atomic<int> alive{0};
  explicit Tracked(int v) : value(v) { ++alive; }
  Tracked(Tracked&& other) noexcept : value(std::exchange(other.value, -1)) { ++alive; }
  Tracked& operator=(Tracked&& other) noexcept {
    value = std::exchange(other.value, -1);
    return *this;
  }
  ~Tracked() { --alive; }
  int value;
};

template <typename T>
bool passes_through(const T& a, const T& b, const T& c) {
  bool same = false;
  in_runtime([&](Runtime& runtime) {
    Channel<T> direct;
    Channel<T> buffered(1);
    WaitGroup group;
    group.go([&] {
      // The first finds a waiting receiver, the second waits for one.
      (void)until_parked(runtime, WaitReason::kChanReceive);
      (void)direct.send(a);
      (void)direct.send(b);
      // The first goes through the buffer, the second waits for room in it.
      (void)buffered.send(b);
      (void)buffered.send(c);
    });
    const auto one = direct.recv();
    (void)until_parked(runtime, WaitReason::kChanSend);
    const auto two = direct.recv();
    (void)until_parked(runtime, WaitReason::kChanSend);
    const auto three = buffered.recv();
    const auto four = buffered.recv();
    group.wait();
    same = one == a && two == b && three == b && four == c;
  });
  return same;
}

struct alignas(64) Aligned {
  int value;
  bool operator==(const Aligned&) const = default;
};

}  // namespace

TEST_CASE("a send on a rendezvous channel returns after its receive") {
  std::atomic<bool> sent{false};
  bool sent_before_receive = true;
  std::optional<int> received;
  in_runtime([&](Runtime& runtime) {
    Channel<int> channel;
    go([&, channel] { sent = channel.send(7).has_value(); });
    (void)until_parked(runtime, WaitReason::kChanSend);
    sent_before_receive = sent;
    received = channel.recv();
    (void)soon([&] { return sent.load(); });
  });
  CHECK_FALSE(sent_before_receive);
  CHECK(sent);
  CHECK(received == 7);
}

TEST_CASE("a buffered channel takes its capacity without waiting and keeps the order") {
  std::vector<int> got;
  TryResult when_full{};
  std::size_t size = 0;
  in_runtime([&](Runtime&) {
    Channel<int> channel(3);
    for (int i = 0; i < 3; ++i) (void)channel.send(i);
    when_full = channel.try_send(99);
    size = channel.size();
    // Around the end of the ring.
    for (int i = 3; i < 10; ++i) {
      got.push_back(channel.recv().value_or(-1));
      (void)channel.send(i);
    }
    channel.close();
    for (const int value : channel) got.push_back(value);
  });
  CHECK(when_full == TryResult::kWouldBlock);
  CHECK(size == 3);
  std::vector<int> expected(10);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(got == expected);
}

TEST_CASE("elements of every size and kind pass directly, by wait and through the buffer") {
  CHECK(passes_through<char>('a', 'b', 'c'));
  CHECK(passes_through<std::uint64_t>(1, 2, 3));
  CHECK(passes_through<std::array<int, 100>>({1}, {2}, {3}));
  CHECK(passes_through<std::string>("a", std::string(100, 'b'), "c"));
  CHECK(passes_through<Aligned>({1}, {2}, {3}));
}

TEST_CASE("senders and receivers that wait are served in order") {
  std::vector<int> sent_order;
  std::vector<int> received_by;
  in_runtime([&](Runtime& runtime) {
    Channel<int> channel;
    WaitGroup group;
    for (int i = 0; i < 5; ++i) {
      group.go([&, i] { (void)channel.send(i); });
      (void)until_parked(runtime, WaitReason::kChanSend, i + 1);
    }
    for (int i = 0; i < 5; ++i) sent_order.push_back(channel.recv().value_or(-1));
    group.wait();

    std::array<int, 5> got{};
    for (int i = 0; i < 5; ++i) {
      group.go([&, i] { got[i] = channel.recv().value_or(-1); });
      (void)until_parked(runtime, WaitReason::kChanReceive, i + 1);
    }
    for (int i = 0; i < 5; ++i) (void)channel.send(i);
    group.wait();
    received_by.assign(got.begin(), got.end());
  });
  CHECK(sent_order == std::vector{0, 1, 2, 3, 4});
  CHECK(received_by == std::vector{0, 1, 2, 3, 4});
}

TEST_CASE("a waiting sender gets the room in the buffer before anybody else") {
  std::vector<int> got;
  TryResult overtaking{};
  in_runtime([&](Runtime& runtime) {
    Channel<int> channel(1);
    (void)channel.send(0);
    WaitGroup group;
    group.go([&] { (void)channel.send(1); });
    (void)until_parked(runtime, WaitReason::kChanSend);
    got.push_back(channel.recv().value_or(-1));
    overtaking = channel.try_send(2);
    got.push_back(channel.recv().value_or(-1));
    group.wait();
  });
  CHECK(overtaking == TryResult::kWouldBlock);
  CHECK(got == std::vector{0, 1});
}

TEST_CASE("close lets receivers drain the buffer and then says that nothing will come") {
  std::vector<int> got;
  bool drained_early = true;
  bool drained_late = false;
  in_runtime([&](Runtime&) {
    Channel<int> channel(4);
    (void)channel.send(1);
    (void)channel.send(2);
    channel.close();
    drained_early = channel.drained();
    for (const int value : channel) got.push_back(value);
    drained_late = channel.drained();
    if (!channel.recv()) got.push_back(-1);
    if (!channel.try_recv()) got.push_back(-2);
  });
  CHECK(got == std::vector{1, 2, -1, -2});
  CHECK_FALSE(drained_early);
  CHECK(drained_late);
}

TEST_CASE("close wakes every waiting receiver and sender, and senders keep their values") {
  std::atomic<int> empty_receives{0};
  std::atomic<int> refused_sends{0};
  std::atomic<int> kept{0};
  in_runtime([&](Runtime& runtime) {
    Channel<std::string> in;
    Channel<std::string> out;
    WaitGroup group;
    for (int i = 0; i < 4; ++i) {
      group.go([&] { empty_receives += !in.recv(); });
      group.go([&] {
        std::string value(50, 'v');
        const auto sent = out.send(std::move(value));
        refused_sends += !sent && sent.error().is(ErrorKind::kClosing);
        kept += value == std::string(50, 'v');
      });
    }
    (void)until_parked(runtime, WaitReason::kChanReceive, 4);
    (void)until_parked(runtime, WaitReason::kChanSend, 4);
    in.close();
    out.close();
    group.wait();
  });
  CHECK(empty_receives == 4);
  CHECK(refused_sends == 4);
  CHECK(kept == 4);
}

TEST_CASE("sending on a closed channel and closing it twice are values, not crashes") {
  bool first = false;
  bool second = true;
  bool refused = false;
  std::unique_ptr<int> value = std::make_unique<int>(3);
  TryResult tried{};
  in_runtime([&](Runtime&) {
    Channel<std::unique_ptr<int>> channel(1);
    first = channel.close();
    second = channel.close();
    const auto sent = channel.send(std::move(value));
    refused = !sent && sent.error().is(ErrorKind::kClosing);
    tried = channel.try_send(std::move(value));
  });
  CHECK(first);
  CHECK_FALSE(second);
  CHECK(refused);
  CHECK(tried == TryResult::kClosed);
  REQUIRE(value != nullptr);
  CHECK(*value == 3);
}

TEST_CASE("a receive with a deadline ends with kTimeout, and takes what is there even if it has passed") {
  bool timed_out = false;
  bool timed_out_at_once = false;
  int late = 0;
  bool closed = false;
  in_runtime([&](Runtime&) {
    const auto past = std::chrono::steady_clock::now() - 1s;
    Channel<int> channel(1);
    auto got = channel.recv_until(std::chrono::steady_clock::now() + 2ms);
    timed_out = !got && got.error().is(ErrorKind::kTimeout);
    got = channel.recv_until(past);
    timed_out_at_once = !got && got.error().is(ErrorKind::kTimeout);
    (void)channel.send(5);
    late = channel.recv_until(past).value_or(0);
    channel.close();
    got = channel.recv_until(std::chrono::steady_clock::now() + 10s);
    closed = !got && got.error().is(ErrorKind::kClosing);
  });
  CHECK(timed_out);
  CHECK(timed_out_at_once);
  CHECK(late == 5);
  CHECK(closed);
}

TEST_CASE("a send that timed out gives its value back and is never received") {
  bool timed_out = false;
  bool nothing_there = false;
  std::string value = "still here, and long enough to live on the heap";
  in_runtime([&](Runtime&) {
    Channel<std::string> channel;
    const auto sent = channel.send_until(std::chrono::steady_clock::now() + 2ms, std::move(value));
    timed_out = !sent && sent.error().is(ErrorKind::kTimeout);
    nothing_there = !channel.try_recv();
  });
  CHECK(timed_out);
  CHECK(nothing_there);
  CHECK(value == "still here, and long enough to live on the heap");
}

TEST_CASE("shutdown with kCancel ends waiting sends and receives") {
  bool recv_ended = false;
  bool saw_cancel = false;
  bool send_canceled = false;
  bool later_canceled = false;
  in_runtime(
      [&](Runtime& runtime) {
        Channel<int> channel;
        Channel<int> other;
        go([&, channel] {
          recv_ended = !channel.recv();
          saw_cancel = canceled();
          // A wait that begins after the cancellation does not begin at all.
          const auto got = channel.recv_until(std::chrono::steady_clock::now() + 1h);
          later_canceled = !got && got.error().is(ErrorKind::kCanceled);
        });
        go([&, other] {
          const auto sent = other.send(1);
          send_canceled = !sent && sent.error().is(ErrorKind::kCanceled);
        });
        (void)until_parked(runtime, WaitReason::kChanReceive);
        (void)until_parked(runtime, WaitReason::kChanSend);
      },
      Runtime::Shutdown::kCancel);
  CHECK(recv_ended);
  CHECK(saw_cancel);
  CHECK(send_canceled);
  CHECK(later_canceled);
}

TEST_CASE("each element is constructed and destroyed once, also those left in the buffer") {
  std::vector<int> got;
  in_runtime([&](Runtime& runtime) {
    Channel<Tracked> channel(2);
    WaitGroup group;
    group.go([&] {
      for (int i = 0; i < 5; ++i) (void)channel.send(Tracked(i));
    });
    (void)until_parked(runtime, WaitReason::kChanSend);
    for (int i = 0; i < 3; ++i) got.push_back(channel.recv()->value);
    group.wait();
    (void)channel.try_send(Tracked(9));
  });
  CHECK(got == std::vector{0, 1, 2});
  CHECK(Tracked::alive == 0);
}

TEST_CASE("a channel lives as long as its last handle") {
  int got = 0;
  in_runtime([&](Runtime& runtime) {
    WaitGroup group;
    {
      Channel<int> channel;
      group.go([&got, channel] { got = channel.recv().value_or(-1); });
      (void)until_parked(runtime, WaitReason::kChanReceive);
      group.go([channel] { (void)channel.send(4); });
      Channel<int> other;
      channel = other;
      channel = *&channel;
    }
    group.wait();
  });
  CHECK(got == 4);
}

TEST_CASE("threads outside of the runtime feed and drain goroutines without waiting") {
  constexpr int kCount = 2000;
  std::int64_t sum = 0;
  Channel<int> channel(16);
  Runtime runtime({.procs = test::procs()});
  std::thread feeder([channel] {
    for (int i = 1; i <= kCount;) {
      if (channel.try_send(i) == TryResult::kOk) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
    channel.close();
  });
  runtime.run([&] {
    for (const int value : channel) sum += value;
  });
  feeder.join();
  CHECK(sum == std::int64_t{kCount} * (kCount + 1) / 2);
}

TEST_CASE("a channel connects two runtimes") {
  constexpr int kCount = 300;
  std::vector<int> got;
  const Channel<int> there;
  const Channel<int> back;
  std::thread other([&] {
    Runtime runtime({.procs = test::procs(), .name = "other"});
    runtime.run([&] {
      for (const int value : there) (void)back.send(value * 2);
      back.close();
    });
  });
  Runtime runtime({.procs = test::procs(), .name = "one"});
  runtime.run([&] {
    for (int i = 0; i < kCount; ++i) {
      (void)there.send(i);
      got.push_back(back.recv().value_or(-1));
    }
    there.close();
  });
  other.join();
  REQUIRE(got.size() == kCount);
  for (int i = 0; i < kCount; ++i) REQUIRE(got[i] == 2 * i);
}
