// World: a scheduler and a Netpoll over a back end that the test scripts, for the tests of the pollDesc protocol.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "libruntime/poll/netpoll.h"
#include "libruntime/sched/scheduler.h"
#include "netpoll/go.h"
#include "tests/support/expect.h"
#include "tests/support/procs.h"

namespace netpoll::test {

// A scheduler on a scripted back end P. What run() is given runs as a goroutine.
template <typename P>
class World {
 public:
  explicit World(Trigger trigger = Trigger::kEdge, PollMode mode = PollMode::kHybrid) {
    Config config;
    config.procs = procs();
    config.trigger = trigger;
    config.poll_mode = mode;
    scheduler = std::make_unique<sched::Scheduler>(config);
    auto fake = std::make_unique<P>();
    poller = fake.get();
    netpoll = std::make_unique<poll::Netpoll>(*scheduler, std::move(fake));
    scheduler->set_poll_source(*netpoll);
  }
  ~World() {
    scheduler->wait_until_no_goroutines();
    scheduler->stop_threads();
    netpoll.reset();
  }

  template <typename F>
  void start(F f) {
    netpoll::detail::spawn(scheduler.get(), std::move(f), nullptr);
  }
  template <typename F>
  void run(F f) {
    start(std::move(f));
    scheduler->wait_until_no_goroutines();
    expectations.report();
  }

  poll::PollDesc& open(int fd) {
    auto result = netpoll->open(fd);
    if (!result) std::abort();
    return **result;
  }
  void close(poll::PollDesc& pd) {
    netpoll->unblock(pd);
    netpoll->close(pd, true);
  }
  void deliver(int fd, std::uint32_t modes, bool hangup = false) {
    poller->deliver({poller->data_of(fd), modes, hangup, false});
  }
  std::uint64_t count(trace::Tp tp) const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i <= scheduler->ps().size(); ++i) {
      sum += scheduler->counter_blocks()[i].count[static_cast<std::size_t>(tp)].load();
    }
    return sum;
  }

  Expectations expectations;  // of goroutines
  std::unique_ptr<sched::Scheduler> scheduler;
  std::unique_ptr<poll::Netpoll> netpoll;
  P* poller = nullptr;
};

}  // namespace netpoll::test
