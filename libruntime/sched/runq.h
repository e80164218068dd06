// runq.h: the run queue of one P: a bounded lock-free ring and a `runnext` slot (Go 1.19: runtime/proc.go, runqput,
// runqget, runqgrab).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "libruntime/sched/g.h"

namespace netpoll::sched {

// RunQueue. put, get and size_hint by the owning M only; steal by any M. `head` moves by CAS (owner and thieves),
// `tail` by the owner alone; a slot is written before the tail that publishes it, and read before the CAS that takes
// it, so a thief that loses the CAS throws its copy away.
class RunQueue {
 public:
  // Go: 256. Here a thousand connections that are ready at once should fit: what does not takes the way through the
  // global queue, where every second round serves it out of turn, and its memory is not asked for early (proc.cc,
  // prefetch_followers).
  static constexpr std::uint32_t kCapacity = 1024;

  // Without thieves (a runtime of one P) the owner's operations need no atomic read-modify-write; steal_from() must
  // then never be called on this queue.
  explicit RunQueue(bool thieves = true) : thieves_(thieves) {}

  // Appends g. Returns false when full; the caller then moves half to the global queue with take_half().
  bool put(G* g) {
    const std::uint32_t head = head_.load(std::memory_order_acquire);
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head >= kCapacity) return false;
    slots_[tail % kCapacity].store(g, std::memory_order_relaxed);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Makes g the next to run and returns who was (null or a G that the caller must put()).
  G* exchange_next(G* g) {
    // The owner is the only one who sets it, so an empty slot needs no read-modify-write; nor does any without thieves.
    G* old = next_.load(std::memory_order_relaxed);
    if (old == nullptr || !thieves_) {
      next_.store(g, std::memory_order_release);
      return old;
    }
    return next_.exchange(g, std::memory_order_acq_rel);
  }

  // Takes runnext, or null. A thief can only take it away, so a failed CAS means that it is gone.
  G* get_next() {
    G* next = next_.load(std::memory_order_relaxed);
    if (next == nullptr) return nullptr;
    if (!thieves_) {
      next_.store(nullptr, std::memory_order_relaxed);
      return next;
    }
    return next_.compare_exchange_strong(next, nullptr, std::memory_order_acq_rel) ? next : nullptr;
  }

  // Takes the oldest of the ring, or null.
  G* get() {
    std::uint32_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
      if (head == tail) return nullptr;
      G* g = slots_[head % kCapacity].load(std::memory_order_relaxed);
      if (!thieves_) {
        head_.store(head + 1, std::memory_order_release);
        return g;
      }
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel, std::memory_order_acquire)) return g;
    }
  }

  // Who comes after `ahead` others of the ring, or null. Only a hint: thieves may take it meanwhile.
  G* peek(std::uint32_t ahead) const {
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    if (tail_.load(std::memory_order_relaxed) - head <= ahead) return nullptr;
    return slots_[(head + ahead) % kCapacity].load(std::memory_order_relaxed);
  }

  // Takes half of a full ring into out, for the global queue. Owner only. Returns false if thieves made room meanwhile.
  bool take_half(GList& out) {
    std::uint32_t head = head_.load(std::memory_order_acquire);
    const std::uint32_t count = (tail_.load(std::memory_order_relaxed) - head) / 2;
    if (count != kCapacity / 2) return false;
    std::array<G*, kCapacity / 2> batch;
    for (std::uint32_t i = 0; i < count; ++i) batch[i] = slots_[(head + i) % kCapacity].load(std::memory_order_relaxed);
    if (!head_.compare_exchange_strong(head, head + count, std::memory_order_acq_rel)) return false;
    for (G* g : batch) out.push_back(g);
    return true;
  }

  // Moves half of victim's ring (rounded up) here and returns one of them to run, or null. With take_next the victim's
  // runnext is taken when its ring is empty. Called by the owner of *this, whose ring is empty.
  G* steal_from(RunQueue& victim, bool take_next);

  bool empty() const {
    return next_.load(std::memory_order_acquire) == nullptr &&
           head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
  }
  // How many wait here, runnext included. Exact for the owner, a hint for others.
  std::uint32_t size() const {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire) +
           (next_.load(std::memory_order_relaxed) != nullptr ? 1 : 0);
  }
  bool ring_empty() const { return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire); }

 private:
  const bool thieves_;
  alignas(64) std::atomic<std::uint32_t> head_{0};
  std::atomic<std::uint32_t> tail_{0};
  std::atomic<G*> next_{nullptr};
  std::array<std::atomic<G*>, kCapacity> slots_{};
};

}  // namespace netpoll::sched
