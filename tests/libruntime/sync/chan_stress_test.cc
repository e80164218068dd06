// Races of send, receive, select, deadlines, close and cancellation, judged by conservation: every value that a sender
// was told is sent is received exactly once or is still in a buffer; no other value appears.
#include <array>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "netpoll/sync/select.h"
#include "netpoll/sync/wait_group.h"
#include "tests/libruntime/sync/in_runtime.h"

using namespace netpoll;
using namespace std::chrono_literals;
using test::in_runtime;

namespace {

// NETPOLL_TEST_SEED repeats a run (as far as threads allow); else a new seed each time, printed with a failure.
std::uint32_t seed() {
  static const std::uint32_t value = [] {
    const char* text = std::getenv("NETPOLL_TEST_SEED");
    return text != nullptr ? static_cast<std::uint32_t>(std::atoi(text)) : std::random_device()();
  }();
  return value;
}

// What one goroutine saw; merged when all have ended.
struct Ledger {
  std::vector<int> sent;
  std::vector<int> received;
};

// A value that is expensive to lose: strings on the heap make doubled or dropped lives visible to ASan.
std::string encode(int value) { return std::string(40, '.') + std::to_string(value); }
int decode(const std::string& text) { return std::atoi(text.c_str() + 40); }

struct Outcome {
  std::vector<int> sent;
  std::vector<int> received;
};

Outcome merge(std::vector<Ledger>& ledgers) {
  Outcome all;
  for (Ledger& ledger : ledgers) {
    all.sent.insert(all.sent.end(), ledger.sent.begin(), ledger.sent.end());
    all.received.insert(all.received.end(), ledger.received.begin(), ledger.received.end());
  }
  std::sort(all.sent.begin(), all.sent.end());
  std::sort(all.received.begin(), all.received.end());
  return all;
}

}  // namespace

TEST_CASE("deadlines race with transfers on one channel and nothing is lost or doubled") {
  INFO("NETPOLL_TEST_SEED=" << seed());
  for (const std::size_t capacity : {0, 1, 3}) {
    std::vector<Ledger> ledgers(8);
    in_runtime([&](Runtime&) {
      Channel<std::string> channel(capacity);
      WaitGroup senders;
      WaitGroup receivers;
      for (int i = 0; i < 4; ++i) {
        senders.go([&, i] {
          std::minstd_rand random(seed() + i);
          for (int n = 0; n < 400; ++n) {
            const int value = i * 100'000 + n;
            std::string text = encode(value);
            const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 30);
            if (channel.send_until(deadline, std::move(text))) {
              ledgers[i].sent.push_back(value);
            } else if (text != encode(value)) {
              ledgers[i].received.push_back(-value);  // the value did not come back: shows up as a difference
            }
            if (random() % 16 == 0) yield();
          }
        });
        receivers.go([&, i] {
          std::minstd_rand random(seed() + 100 + i);
          for (;;) {
            const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 30);
            auto got = channel.recv_until(deadline);
            if (got) ledgers[4 + i].received.push_back(decode(*got));
            if (!got && got.error().is(ErrorKind::kClosing)) return;
          }
        });
      }
      senders.wait();
      channel.close();
      receivers.wait();
    });
    const Outcome all = merge(ledgers);
    CHECK(all.sent == all.received);
    CHECK(std::adjacent_find(all.sent.begin(), all.sent.end()) == all.sent.end());
  }
}

TEST_CASE("selects over several channels race with each other, with timeouts and with close") {
  INFO("NETPOLL_TEST_SEED=" << seed());
  constexpr int kGoroutines = 8;
  for (int round = 0; round < 3; ++round) {
    std::vector<Ledger> ledgers(kGoroutines + 1);
    in_runtime([&](Runtime&) {
      std::array<Channel<std::string>, 3> channels{Channel<std::string>(0), Channel<std::string>(1),
                                                   Channel<std::string>(2)};
      WaitGroup group;
      for (int i = 0; i < kGoroutines; ++i) {
        group.go([&, i] {
          std::minstd_rand random(seed() + 31 * round + i);
          Ledger& ledger = ledgers[i];
          const auto take = [&](std::optional<std::string> text) {
            if (text) ledger.received.push_back(decode(*text));
          };
          for (int n = 0; n < 400; ++n) {
            const int value = i * 100'000 + n;
            const auto& out = channels[random() % 3];
            const auto& in = channels[random() % 3];
            const auto& in2 = channels[random() % 3];
            std::string text = encode(value);
            bool was_sent = false;
            (void)select(on_recv(in, take), on_recv(in2, take).when(random() % 2 == 0),
                         on_send(out, std::move(text), [&](bool sent) { was_sent = sent; }),
                         after(std::chrono::microseconds(random() % 40), [] {}).when(random() % 8 != 0),
                         // So that no round ends with everybody waiting for a partner of the same kind.
                         after(5ms), otherwise().when(random() % 16 == 0));
            if (was_sent) {
              ledger.sent.push_back(value);
            } else if (text != encode(value)) {
              ledger.received.push_back(-value);
            }
            if (n == 350 && i == 0) channels[round].close();
          }
        });
      }
      group.wait();
      for (auto& channel : channels) {
        channel.close();
        for (const std::string& text : channel) ledgers[kGoroutines].received.push_back(decode(text));
      }
    });
    const Outcome all = merge(ledgers);
    CHECK(all.sent == all.received);
    CHECK(std::adjacent_find(all.sent.begin(), all.sent.end()) == all.sent.end());
  }
}

TEST_CASE("close races with senders and receivers and each value counts once") {
  INFO("NETPOLL_TEST_SEED=" << seed());
  for (int round = 0; round < 60; ++round) {
    std::vector<Ledger> ledgers(6);
    in_runtime([&](Runtime&) {
      Channel<std::string> channel(round % 3);
      WaitGroup group;
      for (int i = 0; i < 3; ++i) {
        group.go([&, i] {
          for (int n = 0;; ++n) {
            const int value = i * 100'000 + n;
            if (!channel.send(encode(value))) return;
            ledgers[i].sent.push_back(value);
          }
        });
        group.go([&, i] {
          for (const std::string& text : channel) ledgers[3 + i].received.push_back(decode(text));
        });
      }
      (void)sleep(std::chrono::microseconds(std::minstd_rand(seed() + round)() % 300));
      channel.close();
      group.wait();
    });
    const Outcome all = merge(ledgers);
    CHECK(all.sent == all.received);
  }
}

TEST_CASE("cancellation races with transfers and keeps the books") {
  INFO("NETPOLL_TEST_SEED=" << seed());
  for (int round = 0; round < 40; ++round) {
    std::vector<Ledger> ledgers(7);
    Channel<std::string> channel(round % 3);
    in_runtime(
        [&](Runtime&) {
          for (int i = 0; i < 3; ++i) {
            go([&, i] {
              for (int n = 0;; ++n) {
                const int value = i * 100'000 + n;
                if (!channel.send(encode(value))) return;
                ledgers[i].sent.push_back(value);
                if (canceled()) return;
              }
            });
            go([&, i] {
              while (auto text = channel.recv()) {
                ledgers[3 + i].received.push_back(decode(*text));
                if (canceled()) return;
              }
            });
          }
          (void)sleep(std::chrono::microseconds(std::minstd_rand(seed() + round)() % 300));
        },
        Runtime::Shutdown::kCancel);
    while (auto text = channel.try_recv()) ledgers[6].received.push_back(decode(*text));
    const Outcome all = merge(ledgers);
    CHECK(all.sent == all.received);
  }
}
