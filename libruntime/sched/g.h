// g.h: the goroutine record.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "libruntime/context/context.h"
#include "libruntime/context/stack.h"
#include "libruntime/sched/timers.h"
#include "netpoll/go.h"
#include "netpoll/wait_reason.h"

namespace netpoll::sched {

class Scheduler;
class SharedLabels;

// Layout of G::wait_word; the states are explained in sched/wait.h.
inline constexpr std::uint64_t kWaitArmed = 0;
inline constexpr std::uint64_t kWaitParked = 1;
inline constexpr std::uint64_t kWaitClaimed = 2;
inline constexpr std::uint64_t kWaitStateMask = 3;
inline constexpr std::uint64_t kWaitCancelable = 4;
inline constexpr int kWaitResultShift = 3;
inline constexpr int kWaitGenerationShift = 5;

// What a goroutine needs rarely. It lies at the upper end of the stack, whose last page every goroutine that runs or is
// parked has in memory anyway, and is made when the stack is first used.
struct GTail {
  HeapTimer timer;                                   // sleep
  void* closure = nullptr;                           // what the goroutine runs, until it runs
  std::atomic<const SharedLabels*> labels{nullptr};  // valid while G::labels_below says so
};

// G. Type-stable: lives in a chunk of the scheduler's table for as long as the Scheduler does and is re-used for later
// goroutines, together with its stack; only a goroutine at rest (Scheduler::rest()) gives its stack away, to a dead one
// whose stack it takes. Fields that another thread or process may read while the owner writes are atomics accessed
// relaxed; `status` is released by the writer.
struct alignas(64) G {
  // First line of the cache: all that making it runnable, queueing, parking and resuming it touch.
  std::atomic<std::uint64_t> goid{
      0};  // this and the atomics below are published in the debug ABI, stack and sp as well
  std::atomic<std::uint32_t> status{0};  // GStatus
  std::atomic<std::uint32_t> wait_reason{0};
  std::atomic<std::uint64_t> park_seq{0};
  std::atomic<std::int64_t> wait_since{0};
  std::atomic<std::uint32_t> wait_pd{0};
  std::atomic<std::uint32_t> wait_mode{0};
  std::atomic<std::int32_t> wait_fd{-1};
  std::uint32_t stack_index = 0;  // the stack's position among those of the table
  G* link = nullptr;              // the one queue or list this G is on
  context::MachineContext context;

  // Second line: around a run.
  std::atomic<std::uint64_t> wait_word{kWaitClaimed};
  void* exception_globals[2] = {nullptr, nullptr};  // __cxa_eh_globals while not running (Itanium C++ ABI, 2.2.2)
  std::atomic<const void*> first_needed[2] = {};    // what it looks at first when it goes on; prefetched
  Scheduler* scheduler = nullptr;
  std::atomic<std::uint64_t> parent_goid{0};
  context::StackGuard guard{};  // of the stack; chosen at its first use
  bool cold = true;             // a stack without pages: never used, or given back
  bool rested = false;          // its function was called again after a rest, and has not asked why yet
  // 0: it has no labels, and GTail is not looked at; else so far below the stack's end lies GTail::labels (debug ABI).
  std::atomic<std::uint32_t> labels_below{0};

  // Third line: its life.
  //
  // A small closure lies here and not on the stack: what a connection's goroutine captured, its Conn above all, is used
  // for every request, and at the upper end of the stack it would often be alone on a page.
  alignas(detail::kClosureAlign) char closure_room[detail::kClosureRoom];
  std::atomic<std::uint64_t> created_pc{0};
  std::atomic<std::uint64_t> start_pc{0};
  context::Stack stack;

  GStatus load_status() const { return static_cast<GStatus>(status.load(std::memory_order_acquire)); }
  // Stacks lie whole pages apart, so without a shift the same frames of all goroutines would compete for the same sets
  // of the first-level cache, and a switch would load what looks like the address it just stored to (4 KiB aliasing).
  GTail& tail() const {
    return *reinterpret_cast<GTail*>(static_cast<char*>(stack.hi) - stack_index % 16 * 64 - kTailRoom);
  }
  static constexpr std::size_t kTailRoom = 64;  // the stack proper begins below, aligned to a cache line

  void store_status(GStatus s) { status.store(static_cast<std::uint32_t>(s), std::memory_order_release); }
};

static_assert(sizeof(GTail) <= G::kTailRoom);
static_assert(sizeof(G) == 192 || !std::is_empty_v<context::SanitizerFiber>, "part of the price of an idle connection");

// The stack of a G that another thread may be running, beginning or putting to rest: some stack that it has had.
inline context::Stack peek_stack(const G& g) {
  return {.lo = __atomic_load_n(&g.stack.lo, __ATOMIC_RELAXED), .hi = __atomic_load_n(&g.stack.hi, __ATOMIC_RELAXED)};
}

// Exchanges the stacks of two Gs of the caller's, neither of which runs.
void swap_stacks(G& a, G& b);

// GList: an intrusive stack-or-queue of Gs through G::link. Not thread-safe.
struct GList {
  G* head = nullptr;
  G* tail = nullptr;
  std::uint32_t size = 0;

  bool empty() const { return head == nullptr; }
  void push_back(G* g) {
    g->link = nullptr;
    if (tail != nullptr) {
      tail->link = g;
    } else {
      head = g;
    }
    tail = g;
    ++size;
  }
  void push_front(G* g) {
    g->link = head;
    head = g;
    if (tail == nullptr) tail = g;
    ++size;
  }
  G* pop_front() {
    G* g = head;
    if (g == nullptr) return nullptr;
    head = g->link;
    if (head == nullptr) tail = nullptr;
    g->link = nullptr;
    --size;
    return g;
  }
  void append(GList& other) {
    if (other.empty()) return;
    if (tail != nullptr) {
      tail->link = other.head;
    } else {
      head = other.head;
    }
    tail = other.tail;
    size += other.size;
    other = GList{};
  }
};

}  // namespace netpoll::sched
