// runtime.cc: wires the pieces; the one place that knows them all.
#include "netpoll/runtime.h"

#include "libruntime/base/fatal.h"
#include "libruntime/base/thread.h"
#include "libruntime/debug/snapshot.h"
#include "libruntime/poll/netpoll.h"
#include "libruntime/sched/scheduler.h"

namespace netpoll {

namespace {

Config with_poller(Config config) {
  if (config.poller == PollerKind::kDefault) config.poller = available_pollers().front();
  return config;
}

std::unique_ptr<poll::Poller> poller_of(const Config& config) {
  auto poller = poll::make_poller(config.poller, config.trigger);
  if (poller == nullptr) {
    const std::string name(poller_name(config.poller));
    base::fatalf("netpoll: the poller %s is not in this build", name.c_str());
  }
  return poller;
}

}  // namespace

std::span<const PollerKind> available_pollers() { return poll::back_ends(); }

Result<void> try_poller(PollerKind kind) {
  const auto poller = poll::make_poller(kind, Trigger::kEdge);
  if (poller == nullptr) {
    return Error(ErrorKind::kNotSupported, "the poller " + std::string(poller_name(kind)) + " is not in this build");
  }
  if (const int result = poller->init(); result < 0) return poll::no_poller(*poller, -result);
  return {};
}

struct Runtime::Parts {
  explicit Parts(Config config)
      : scheduler(with_poller(std::move(config))),
        netpoll(scheduler, poller_of(scheduler.config())),
        publication(scheduler, netpoll) {
    scheduler.set_poll_source(netpoll);
    netpoll.on_initialized([this](int epfd) { publication.set_epfd(epfd); });
  }
  ~Parts() { scheduler.stop_threads(); }

  sched::Scheduler scheduler;
  poll::Netpoll netpoll;
  debug::Publication publication;
  bool expect_progress = false;  // run() was called and deadlocks are to be reported
};

Runtime::Runtime(Config config) : parts_(std::make_unique<Parts>(std::move(config))) {}

Runtime::~Runtime() { shutdown(Shutdown::kCancel); }

sched::Scheduler& Runtime::scheduler() const { return parts_->scheduler; }

GoroutineCounts Runtime::goroutine_counts() const {
  GoroutineCounts counts;
  const sched::GTable& gs = parts_->scheduler.gs();
  for (std::uint64_t i = 0; i < gs.count(); ++i) {
    switch (gs.at(i).load_status()) {
      case GStatus::kRunnable:
        ++counts.runnable;
        break;
      case GStatus::kRunning:
        ++counts.running;
        break;
      case GStatus::kSyscall:
        ++counts.syscall;
        break;
      case GStatus::kWaiting:
        ++counts.waiting;
        break;
      case GStatus::kIdle:
      case GStatus::kDead:
        break;
    }
  }
  return counts;
}

std::array<std::uint64_t, trace::kTpCount> Runtime::tracepoint_counts() const {
  const std::size_t blocks = parts_->scheduler.ps().size() + 1;
  std::array<std::uint64_t, trace::kTpCount> sums{};
  for (std::size_t i = 0; i < blocks; ++i) {
    const auto& counts = parts_->scheduler.counter_blocks()[i].count;
    for (std::size_t tp = 0; tp < trace::kTpCount; ++tp) sums[tp] += counts[tp].load(std::memory_order_relaxed);
  }
  return sums;
}

const Config& Runtime::config() const { return parts_->scheduler.config(); }

void Runtime::begin_run() {
  if (sched::current_g() != nullptr) base::fatal("netpoll: Runtime::run called from a goroutine");
  parts_->expect_progress = parts_->scheduler.config().detect_deadlock;
  parts_->scheduler.expect_progress(parts_->expect_progress);
}

void Runtime::main_returned(Shutdown how) {
  // What sleeps for ever from here on is about to be cancelled; shutdown() looks again after that.
  if (how == Shutdown::kCancel) parts_->scheduler.expect_progress(false);
  parts_->scheduler.main_ended();
}

void Runtime::wait_main() { parts_->scheduler.wait_for_main(); }

void Runtime::shutdown(Shutdown how) {
  sched::G* g = sched::current_g();
  if (g != nullptr && g->scheduler == &parts_->scheduler)
    base::fatal("netpoll: a goroutine cannot shut its own Runtime down");
  if (how == Shutdown::kCancel) parts_->scheduler.cancel_all();
  parts_->scheduler.expect_progress(parts_->expect_progress);
  parts_->scheduler.wait_until_no_goroutines();
  parts_->scheduler.stop_threads();
}

trace::GoroutineSnapshot Runtime::snapshot() const {
  parts_->netpoll.audit();
  struct Call {
    Parts& parts;
    trace::GoroutineSnapshot result{};
    static void* take(void* arg) {
      auto& call = *static_cast<Call*>(arg);
      call.result = debug::take_snapshot(call.parts.scheduler, call.parts.netpoll, call.parts.publication.epfd());
      return nullptr;
    }
  };
  Call call{*parts_};
  if (sched::current_g() == nullptr || !debug::names_stacks()) {
    Call::take(&call);
    return std::move(call.result);
  }
  // Names take more stack than a goroutine has.
  block_on([&call] {
    pthread_t thread;
    base::start_thread(thread, &Call::take, &call, "netpoll-snapshot");
    pthread_join(thread, nullptr);
  });
  return std::move(call.result);
}

}  // namespace netpoll
