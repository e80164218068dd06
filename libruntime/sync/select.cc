// select_rows: the three passes of Go's selectgo (runtime/select.go). All channels of a select are locked together, in
// the order of their addresses, while it looks and while it queues. Locking one at a time was rejected: two selects
// that find each other would have to claim themselves and the other one, and can fail in turns without end.
#include <algorithm>
#include <span>
#include <utility>

#include "libruntime/base/clock.h"
#include "libruntime/base/fatal.h"
#include "libruntime/sched/random_step.h"
#include "libruntime/sync/chan.h"
#include "netpoll/sync/select.h"

namespace netpoll::sync {
namespace {

using Kind = SelectRow::Kind;

bool is_channel(const SelectRow& row) { return row.kind == Kind::kRecv || row.kind == Kind::kSend; }

// Between LockSet::lock() and unlock().
WaitList& list_of(const SelectRow& row) {
  row.chan->lock().assert_held();
  return row.kind == Kind::kRecv ? row.chan->receivers() : row.chan->senders();
}

// A number in [0, bound). Not inlined: the address of a thread_local must not be kept across a park.
[[gnu::noinline]] std::uint32_t random_below(std::uint32_t bound) {
  thread_local std::uint64_t state = 0;
  if (state == 0) state = reinterpret_cast<std::uintptr_t>(&state) ^ static_cast<std::uint64_t>(base::nanotime());
  // splitmix64 (Steele, Lea, Flood 2014), then a multiplication instead of a division.
  std::uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<std::uint32_t>(((z >> 32) * bound) >> 32);
}

// The channels of a select, each once, by address. clang does not follow locks in a loop, so whoever works on one of
// the channels in between says that it is held.
class LockSet {
 public:
  explicit LockSet(std::span<ChanCore*> channels) {
    std::sort(channels.begin(), channels.end(), std::less<>());
    channels_ = channels.first(std::unique(channels.begin(), channels.end()) - channels.begin());
  }
  void lock() NETPOLL_NO_THREAD_SAFETY_ANALYSIS {
    for (ChanCore* chan : channels_) chan->lock().lock();
  }
  void unlock() NETPOLL_NO_THREAD_SAFETY_ANALYSIS {
    for (std::size_t i = channels_.size(); i > 0; --i) channels_[i - 1]->lock().unlock();
  }

 private:
  std::span<ChanCore*> channels_;
};

}  // namespace

Selected select_rows(SelectRow* rows, std::size_t count) {
  if (count > kMaxSelectRows) base::fatalf("netpoll: select with %zu cases", count);
  // Scratch memory by alloca: a parked goroutine pays for the cases it has, not for the most it could have.
  auto* const order = static_cast<std::uint8_t*>(__builtin_alloca(count));
  const std::span channels(static_cast<ChanCore**>(__builtin_alloca(count * sizeof(ChanCore*))), count);
  std::size_t active = 0;
  std::size_t otherwise = count;
  std::size_t timed = count;
  for (std::size_t i = 0; i < count; ++i) {
    if (is_channel(rows[i])) {
      channels[active] = rows[i].chan;
      // Inside-out shuffle: all orders equally likely.
      const std::uint32_t at = random_below(static_cast<std::uint32_t>(active + 1));
      order[active] = order[at];
      order[at] = static_cast<std::uint8_t>(i);
      ++active;
    } else if (rows[i].kind == Kind::kOtherwise) {
      otherwise = i;
    } else if (rows[i].kind == Kind::kAfter && (timed == count || rows[i].deadline < rows[timed].deadline)) {
      timed = i;
    }
  }

  LockSet locks(channels.first(active));
  locks.lock();
  for (std::size_t i = 0; i < active; ++i) {
    SelectRow& row = rows[order[i]];
    row.chan->lock().assert_held();
    const ChanStatus status =
        row.kind == Kind::kRecv ? row.chan->take_locked(row.element) : row.chan->put_locked(row.element);
    if (status != ChanStatus::kWouldBlock) {
      locks.unlock();
      return {order[i], status};
    }
  }
  if (otherwise != count) {
    locks.unlock();
    return {otherwise, ChanStatus::kOk};
  }

  auto* const waiters = static_cast<Waiter*>(__builtin_alloca(active * sizeof(Waiter)));
  const sched::WaitHandle handle = sched::begin_wait();
  for (std::size_t i = 0; i < active; ++i) {
    const SelectRow& row = rows[order[i]];
    auto* const waiter = new (&waiters[i]) Waiter{.handle = handle, .element = row.element};
    push_back(list_of(row), *waiter);
  }
  locks.unlock();

  NETPOLL_STEP();
  const std::int64_t deadline = timed == count ? kForever : rows[timed].deadline;
  const sched::WakeResult result = finish_wait_until(handle, WaitReason::kSelect, deadline);

  NETPOLL_STEP();
  // Every row, also when it is known who won: another waker may be busy with a row that lost.
  Selected selected{.index = timed, .status = to_status(result)};
  locks.lock();
  for (std::size_t i = 0; i < active; ++i) {
    remove(list_of(rows[order[i]]), waiters[i]);
    if (waiters[i].won) selected.index = order[i];
  }
  locks.unlock();
  if (selected.status == ChanStatus::kTimeout) selected.status = ChanStatus::kOk;
  return selected;
}

}  // namespace netpoll::sync
