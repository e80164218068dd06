// Channel<T>: a queue between goroutines, with Go's semantics where C++ allows them.
//
//   netpoll::Channel<Job> jobs(16);               // buffered; Channel<Job> jobs; is a rendezvous
//   netpoll::go([jobs] { for (Job& job : jobs) work(std::move(job)); });
//   if (auto sent = jobs.send(std::move(job)); !sent) return sent.error();
//   jobs.close();
//
// Ownership: a Channel is a handle; copies are the same channel (const copies too, as with pointers), and it lives
//            until the last copy is gone. Goroutines take a copy, because they may outlive the scope that made the
//            channel. Elements are moved, from the sender's stack to the receiver's where one of them waits, else
//            through the buffer; T must move without throwing. What is still buffered when the channel dies is
//            destroyed.
// Threads:   send and recv in goroutines, of any Runtime: a channel may connect two. try_send, try_recv, close and the
//            queries from any thread, so that foreign threads can feed goroutines.
// Order:     elements arrive in the order sent; waiting senders and receivers are served first come, first served. What
//            happened before a send is visible after its receive; what happened before a receive from a rendezvous
//            channel is visible after its send.
// Close:     ends all waiting and later sends with kClosing (Go panics; here it is a value). Receivers get what is
//            buffered, then nothing. Closing twice is allowed and returns false.
// Shutdown:  with Runtime::shutdown(kCancel) a send or receive that would wait returns kCanceled.
// Cost:      tests/bench/sync_bench.cc. No allocation after the constructor.
#pragma once

#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "netpoll/result.h"
#include "netpoll/sync/detail/chan_core.h"
#include "netpoll/time.h"

namespace netpoll {

// How a call that never waits ended.
enum class TryResult : std::uint8_t {
  kOk,
  kWouldBlock,  // full, or nobody waits at the other end
  kClosed,
};

template <typename T>
class Channel {
  static_assert(std::is_nothrow_move_constructible_v<T>, "elements change stacks under a lock");
  static_assert(!std::is_reference_v<T> && !std::is_const_v<T>);

 public:
  // capacity 0: every send waits for its receive.
  explicit Channel(std::size_t capacity = 0) : core_(sync::chan_make(sync::kElementType<T>, capacity)) {}
  Channel(const Channel& other) : core_(other.core_) { sync::chan_ref(core_); }
  Channel& operator=(const Channel& other) {
    Channel copy(other);
    std::swap(core_, copy.core_);
    return *this;
  }
  ~Channel() { sync::chan_unref(core_); }

  // Waits until a receiver or the buffer took value. On an error (kClosing, kCanceled, kTimeout) value keeps, or gets
  // back, what it held.
  Result<void> send(T&& value) const { return send_ns(std::move(value), sync::kForever); }
  Result<void> send(const T& value) const { return send_ns(T(value), sync::kForever); }
  Result<void> send_until(std::chrono::steady_clock::time_point deadline, T&& value) const {
    return send_ns(std::move(value), detail::to_ns(deadline));
  }

  // Waits for the next element. Nothing: no element will come any more, since the channel is closed and drained, or the
  // Runtime shuts down (netpoll::canceled() tells which).
  std::optional<T> recv() const {
    sync::Slot<T> slot;
    if (sync::chan_recv(*core_, &slot, sync::kForever) != sync::ChanStatus::kOk) return std::nullopt;
    return slot.take();
  }
  // As recv(), and says why there is no element: kClosing, kCanceled or kTimeout. A deadline in the past still takes
  // what is there.
  Result<T> recv_until(std::chrono::steady_clock::time_point deadline) const {
    sync::Slot<T> slot;
    const auto status = sync::chan_recv(*core_, &slot, detail::to_ns(deadline));
    if (status != sync::ChanStatus::kOk) return sync::chan_error(status, "receive from channel");
    return slot.take();
  }

  // As send, without waiting. value is moved from only with kOk.
  TryResult try_send(T&& value) const {
    sync::Slot<T> slot;
    std::construct_at(&slot.value, std::move(value));
    const auto status = sync::chan_try_send(*core_, &slot);
    if (status == sync::ChanStatus::kOk) return TryResult::kOk;
    give_back(value, slot);
    return status == sync::ChanStatus::kClosed ? TryResult::kClosed : TryResult::kWouldBlock;
  }
  TryResult try_send(const T& value) const { return try_send(T(value)); }

  // As recv, without waiting; nothing also when there is no element yet (then drained() is false).
  std::optional<T> try_recv() const {
    sync::Slot<T> slot;
    if (sync::chan_try_recv(*core_, &slot) != sync::ChanStatus::kOk) return std::nullopt;
    return slot.take();
  }

  // Returns whether this call closed the channel.
  bool close() const { return sync::chan_close(*core_); }

  bool closed() const { return sync::chan_closed(*core_); }
  // Closed, and nothing left to receive: final once true.
  bool drained() const { return closed() && size() == 0; }
  // Elements in the buffer right now.
  std::size_t size() const { return sync::chan_size(*core_); }
  std::size_t capacity() const { return sync::chan_capacity(*core_); }

  // Whether both are the same channel.
  friend bool operator==(const Channel& a, const Channel& b) { return a.core_ == b.core_; }

  // Input iteration: for (T& element : channel) receives until recv() returns nothing.
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    Iterator() = default;
    explicit Iterator(const Channel& channel) : channel_(&channel), element_(channel.recv()) {}

    T& operator*() const { return *element_; }
    Iterator& operator++() {
      element_ = channel_->recv();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !element_.has_value(); }

   private:
    const Channel* channel_ = nullptr;
    mutable std::optional<T> element_;
  };

  Iterator begin() const { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

  // For select.h.
  sync::ChanCore& core() const { return *core_; }

 private:
  Result<void> send_ns(T&& value, std::int64_t deadline) const {
    sync::Slot<T> slot;
    std::construct_at(&slot.value, std::move(value));
    const auto status = sync::chan_send(*core_, &slot, deadline);
    if (status == sync::ChanStatus::kOk) return {};
    give_back(value, slot);
    return sync::chan_error(status, "send on channel");
  }

  // Assignment by destruction and construction: T need not be assignable.
  static void give_back(T& value, sync::Slot<T>& slot) {
    std::destroy_at(&value);
    std::construct_at(&value, std::move(slot.value));
    std::destroy_at(&slot.value);
  }

  sync::ChanCore* core_;
};

}  // namespace netpoll
