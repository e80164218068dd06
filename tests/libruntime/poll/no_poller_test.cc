// A Runtime before its first descriptor: what needs none goes on without one, also when there is none to be had.
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "netpoll/net/conn.h"
#include "netpoll/net/pipe.h"
#include "netpoll/runtime.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/context.h"
#include "netpoll/sync/select.h"
#include "netpoll/sync/timer.h"
#include "netpoll/sync/wait_group.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"
#include "tests/support/open_descriptors.h"
#include "tests/support/procs.h"

namespace netpoll {
namespace {

using namespace std::chrono_literals;

// While it lives every new descriptor fails with EMFILE.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

template <typename F>
void in_every_mode(F&& body) {
  for (const PollMode mode : {PollMode::kThread, PollMode::kInline, PollMode::kHybrid}) {
    for (const Trigger trigger : {Trigger::kEdge, Trigger::kOneshot, Trigger::kLevel}) {
      INFO(poll_mode_name(mode) << "/" << trigger_name(trigger));
      body(Config{.procs = test::procs(), .poll_mode = mode, .trigger = trigger});
    }
  }
}

TEST_CASE("everything that waits for a time does so without a descriptor") {
  in_every_mode([](const Config& config) {
    const std::size_t before = test::open_descriptors();
    std::size_t after_all = 0;
    std::atomic<int> came{0};
    Runtime runtime(config);
    runtime.run([&] {
      {
        const NoDescriptors none;
        WaitGroup group;
        group.go([&] { came += sleep(3ms).has_value(); });
        group.go([&] { came += sleep_until(after(2ms)).has_value(); });
        group.go([&] { came += Channel<int>().recv_until(after(3ms)).error().is(ErrorKind::kTimeout); });
        group.go([&] { came += Timer(1ms).channel().recv().has_value(); });
        group.go([&] { came += Ticker(1ms).channel().recv().has_value(); });
        group.go([&] { came += Context().with_timeout(2ms).wait().has_value(); });
        group.go([&] { came += select(after(1ms)).value_or(9) == 0; });
        group.wait();
      }
      after_all = test::open_descriptors();
    });
    CHECK(came == 7);
    CHECK(after_all == before);
  });
}

TEST_CASE("what needs a poller that cannot be made returns the error, and works once it can") {
  in_every_mode([](const Config& config) {
    // A descriptor for everything but the poller; the n-th of those that it needs is the one that is missing.
    for (int left = 0; left < 2; ++left) {
      int failed_with = 0;
      std::string echoed;
      const std::size_t before = test::open_descriptors();
      std::size_t after_failure = 0;
      {
        Runtime runtime(config);
        runtime.run([&] {
          int ends[2];
          if (::pipe(ends) != 0) return;
          Fd writer(ends[1]);
          {
            // Numbers that are free below the limit count, not descriptors: all of them are taken but `left`.
            rlimit limit{};
            getrlimit(RLIMIT_NOFILE, &limit);
            const rlimit low{static_cast<rlim_t>(ends[1]) + 8, limit.rlim_max};
            setrlimit(RLIMIT_NOFILE, &low);
            std::vector<Fd> taken;
            for (int fd = dup(ends[0]); fd >= 0; fd = dup(ends[0])) taken.emplace_back(fd);
            for (int i = 0; i < left; ++i) taken.pop_back();
            Fd mine(ends[0]);
            auto conn = Conn::adopt(std::move(mine));
            if (!conn) failed_with = conn.error().sys_errno();
            setrlimit(RLIMIT_NOFILE, &limit);
          }
          writer.reset();
          after_failure = test::open_descriptors();
          (void)sleep(1ms);
          auto pair = socket_pair();
          if (!pair) return;
          go([&] {
            (void)sleep(1ms);
            (void)pair->second.write("x");
          });
          std::array<std::byte, 1> byte{};
          if (pair->first.read(byte)) echoed.assign(1, static_cast<char>(byte[0]));
        });
      }
      INFO("descriptors left: " << left);
      CHECK(failed_with == EMFILE);
      CHECK(after_failure == before);
      CHECK(echoed == "x");
      CHECK(test::open_descriptors() == before);
    }
  });
}

TEST_CASE("an M that waits for a time goes to the poller when the first descriptor comes") {
  in_every_mode([](const Config& config) {
    Runtime runtime(config);
    std::atomic<bool> asleep{false};
    std::string read;
    int ends[2] = {-1, -1};
    REQUIRE(::pipe(ends) == 0);
    Fd writer(ends[1]);
    runtime.go([&] {
      asleep = true;
      (void)sleep(1h);
    });
    std::thread outside([&] {
      test::must(test::eventually([&] { return asleep.load(); }));
      std::this_thread::sleep_for(5ms);  // so that in most rounds the M has gone to sleep by now
      runtime.go([&] {
        auto conn = Conn::adopt(Fd(ends[0]));
        std::array<std::byte, 1> byte{};
        if (conn && conn->read(byte)) read.assign(1, static_cast<char>(byte[0]));
        asleep = false;
      });
      std::this_thread::sleep_for(5ms);
      if (write(writer.get(), "y", 1) != 1) return;
      test::must(test::eventually([&] { return !asleep; }));
    });
    outside.join();
    runtime.shutdown(Runtime::Shutdown::kCancel);
    CHECK(read == "y");
  });
}

}  // namespace
}  // namespace netpoll
