// Copies the tables of a Runtime until each goroutine was seen at rest.
#include "libruntime/debug/snapshot.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <vector>

#include "libruntime/base/clock.h"
#include "libruntime/debug/descriptor.h"
#include "libruntime/sched/labels.h"
#include "libruntime/trace/stack_namer.h"

namespace netpoll::debug {
namespace {

constexpr int kPatience = 8;

// Words [from, to) of a stack that is in use. The goroutine may run on it meanwhile; then the copy is thrown away. By
// word, since no sanitizer may take part: it knows a race here, and red zones.
__attribute__((no_sanitize("address", "thread"))) void copy_stack(std::uint64_t from, std::uint64_t to,
                                                                  std::vector<std::byte>& into) {
  into.resize(to - from);
  auto* out = reinterpret_cast<std::uint64_t*>(into.data());
  for (std::uint64_t at = from; at < to; at += sizeof(std::uint64_t)) {
    *out++ = *reinterpret_cast<const volatile std::uint64_t*>(at);
  }
}

// No read that stands before it is done after one that stands behind it. gcc refuses fences under ThreadSanitizer;
// there the compiler's own order has to do, and x86-64, where such builds run, keeps the order of loads.
void keep_reads_before() {
#ifdef __SANITIZE_THREAD__
  std::atomic_signal_fence(std::memory_order_acquire);
#else
  std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

// What identifies a stay of a goroutine in one state.
struct Moment {
  explicit Moment(const sched::G& g)
      : goid(g.goid.load(std::memory_order_acquire)),
        status(g.load_status()),
        park_seq(g.park_seq.load(std::memory_order_acquire)),
        sp(reinterpret_cast<std::uint64_t>(context::peek_sp(g.context))) {}
  bool operator==(const Moment&) const = default;

  // Whether a goroutine lives in the record.
  bool live() const { return status != GStatus::kIdle && status != GStatus::kDead; }

  std::uint64_t goid;
  GStatus status;
  std::uint64_t park_seq;
  std::uint64_t sp;
};

class Copier {
 public:
  Copier(const poll::Netpoll& netpoll, std::int64_t now, bool stacks) : netpoll_(netpoll), now_(now), stacks_(stacks) {}

  // Reads g around what it refers to. False: it moved meanwhile, and what was copied does not belong together.
  bool copy(const sched::G& g, const Moment& moment) {
    goroutine = trace::Goroutine{};
    goroutine.goid = moment.goid;
    goroutine.status = g_status_name(moment.status);
    if (const auto parent = g.parent_goid.load(std::memory_order_relaxed); parent != 0) goroutine.parent_goid = parent;
    goroutine.labels = labels_.labels_of(g);
    if (moment.status == GStatus::kWaiting) copy_wait(g);
    copy_code(g, moment);
    keep_reads_before();
    return Moment(g) == moment;
  }

  trace::Goroutine goroutine;
  trace::StackCopy code;

 private:
  void copy_wait(const sched::G& g) {
    const auto reason = static_cast<WaitReason>(g.wait_reason.load(std::memory_order_acquire));
    goroutine.wait_reason = wait_reason_name(reason);
    goroutine.io_wait = reason == WaitReason::kIoWait;
    if (const auto since = g.wait_since.load(std::memory_order_acquire); since > 0) {
      // The coarse clock may be ahead of a clock that was read before it was.
      goroutine.wait_ns = std::max<std::int64_t>(0, now_ - since);
    }
    if (!goroutine.io_wait) return;
    const bool reads = g.wait_mode.load(std::memory_order_acquire) == 0;
    const poll::PollDesc* pd = netpoll_.cache().at(g.wait_pd.load(std::memory_order_acquire));
    if (pd == nullptr) return;
    goroutine.mode = reads ? trace::IoMode::kRead : trace::IoMode::kWrite;
    goroutine.fd = pd->fd.load(std::memory_order_acquire);
    goroutine.fd_source = trace::FdSource::kPoller;
    const std::int64_t when = (reads ? pd->rd : pd->wd).load(std::memory_order_acquire);
    if (when != 0) goroutine.deadline_in_ns = when > 0 ? when - now_ : -1;
    goroutine.foreign_change = (pd->info.load(std::memory_order_acquire) & poll::kInfoForeign) != 0;
    // Nobody closes a descriptor before its waiters have left it, so it is the same all the time (net/net_fd.h).
    describe_descriptor(goroutine);
  }

  void copy_code(const sched::G& g, const Moment& moment) {
    code = trace::StackCopy{.start_pc = g.start_pc.load(std::memory_order_relaxed),
                            .created_pc = g.created_pc.load(std::memory_order_relaxed),
                            .saved_frame = kSavedFrame};
    const bool switched_out = moment.status == GStatus::kWaiting || moment.status == GStatus::kRunnable;
    code.at_rest = switched_out && moment.sp == 0;
    const context::Stack stack = sched::peek_stack(g);
    const auto lo = reinterpret_cast<std::uint64_t>(stack.lo);
    const auto hi = reinterpret_cast<std::uint64_t>(stack.hi);
    if (!stacks_ || !switched_out || moment.sp < lo || moment.sp >= hi) return;
    copy_stack(moment.sp, hi, bytes_);
    code.sp = moment.sp;
    code.bytes = bytes_;
  }

  const poll::Netpoll& netpoll_;
  std::int64_t now_;
  bool stacks_;
  const sched::LabelReader labels_;
  std::vector<std::byte> bytes_;
};

// Without names: where a goroutine began, and who began it.
class Addresses {
 public:
  explicit Addresses(trace::GoroutineSnapshot& snapshot) : snapshot_(snapshot) {}

  void add(trace::Goroutine& g, const trace::StackCopy& code) {
    g.entry = frame(code.start_pc);
    g.created_by = frame(code.created_pc);
  }

 private:
  std::optional<std::uint32_t> frame(std::uint64_t pc) {
    if (pc == 0) return std::nullopt;
    const auto [found, is_new] = at_.try_emplace(pc, static_cast<std::uint32_t>(snapshot_.frames.size()));
    if (is_new) snapshot_.frames.emplace_back().pc = pc;
    return found->second;
  }

  trace::GoroutineSnapshot& snapshot_;
  std::unordered_map<std::uint64_t, std::uint32_t> at_;
};

trace::RuntimeFacts facts_of(const Config& config, int epfd) {
  return {.name = config.name,
          .procs = static_cast<std::uint32_t>(config.procs),
          .poll_mode = std::string(poll_mode_name(config.poll_mode)),
          .trigger = std::string(trigger_name(config.trigger)),
          .epfd = epfd};
}

}  // namespace

trace::GoroutineSnapshot take_snapshot(const sched::Scheduler& scheduler, const poll::Netpoll& netpoll, int epfd) {
  trace::GoroutineSnapshot snapshot;
  snapshot.language = "libruntime";
  snapshot.runtime_version = NETPOLL_VERSION;
  snapshot.interest_source = "tables";
  snapshot.taken_at_ns = base::nanotime();
  snapshot.runtimes.push_back(facts_of(scheduler.config(), epfd));
  const std::unique_ptr<trace::StackNamer> namer = make_stack_namer(snapshot);
  Addresses addresses(snapshot);
  Copier copier(netpoll, snapshot.taken_at_ns, namer != nullptr);
  const std::uint64_t count = scheduler.gs().count();
  snapshot.goroutines.reserve(scheduler.goroutine_count());
  for (std::uint64_t i = 0; i < count; ++i) {
    const sched::G& g = scheduler.gs().at(i);
    bool live = false;
    bool consistent = false;
    for (int attempt = 0; attempt < kPatience && !consistent; ++attempt) {
      if (attempt > 0) ++snapshot.retries;
      const Moment moment(g);
      live = moment.live();
      consistent = !live || copier.copy(g, moment);
    }
    if (!consistent) {
      ++snapshot.inconsistent;
    } else if (live) {
      snapshot.goroutines.push_back(std::move(copier.goroutine));
      if (namer != nullptr) {
        namer->add(snapshot.goroutines.back(), copier.code);
      } else {
        addresses.add(snapshot.goroutines.back(), copier.code);
      }
    }
  }
  std::sort(snapshot.goroutines.begin(), snapshot.goroutines.end(),
            [](const trace::Goroutine& a, const trace::Goroutine& b) { return a.goid < b.goid; });
  snapshot.took_ns = base::nanotime() - snapshot.taken_at_ns;
  return snapshot;
}

}  // namespace netpoll::debug
