// select: waits for the first of several channel operations, contexts and times.
//
//   auto chosen = netpoll::select(
//       netpoll::on_recv(jobs, [&](std::optional<Job> job) { ... }),     // nothing: closed and drained
//       netpoll::on_send(results, std::move(result), [&](bool sent) { ... }),  // false: closed
//       netpoll::on_done(request, [&] { ... }),
//       netpoll::after(50ms, [&] { ... }));
//
// Choice:    of the cases that can go on at once one is taken at random, all equally likely; if there are none
//            and there is an otherwise(), that one; else the goroutine parks until one can. Exactly one case
//            happens. A time that is over (after, at) is taken only if no other case could go on at once.
// Handlers:  run on the calling goroutine after the operation, with no lock held; they may park and use the channels
//            again. after, at, on_done and otherwise need none; any other point of time is a case too.
// Result:    the index of the case that happened, from 0 in the order written; kCanceled when the Runtime shuts down
//            with kCancel while it waits (then no case happened).
// Values:    on_send(channel, std::move(value), f) moves from value only if the case happens, like Channel::try_send;
//            on_send(channel, value, f) sends a copy.
// Guards:    on_recv(...).when(condition) takes part only if condition is true (Go: a nil channel). A time without a
//            handler gets one by at(after(50ms)).when(condition).
// Threads:   goroutines, of any Runtime. The same channel may appear in several cases, and in others' selects.
// Cost:      no allocation; at most sync::kMaxSelectRows cases. Locks the channels in the order of their addresses.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "netpoll/result.h"
#include "netpoll/sync/channel.h"
#include "netpoll/sync/context.h"
#include "netpoll/sync/detail/chan_core.h"
#include "netpoll/time.h"

namespace netpoll {

namespace sync {

struct NoHandler {
  void operator()() const {}
};

// What all cases have in common: the guard, and how select_rows sees them. A case is a temporary of the select call.
template <typename Self>
class SelectCase {
 public:
  Self&& when(bool condition) && {
    enabled_ = condition;
    return static_cast<Self&&>(*this);
  }

 protected:
  bool enabled_ = true;
};

template <typename T, typename F>
class RecvCase : public SelectCase<RecvCase<T, F>> {
 public:
  RecvCase(const Channel<T>& channel, F handler) : channel_(channel), handler_(std::move(handler)) {}

  void enlist(SelectRow& row) {
    if (this->enabled_) row = {.kind = SelectRow::Kind::kRecv, .chan = &channel_.core(), .element = &slot_};
  }
  void release() {}
  void chosen(ChanStatus status) {
    if (status == ChanStatus::kOk) {
      handler_(std::optional<T>(slot_.take()));
    } else {
      handler_(std::optional<T>());
    }
  }

 private:
  const Channel<T>& channel_;
  F handler_;
  Slot<T> slot_;
};

template <typename T, typename F>
class SendCase : public SelectCase<SendCase<T, F>> {
 public:
  SendCase(const Channel<T>& channel, T& source, F handler)
      : channel_(channel), source_(source), handler_(std::move(handler)) {}

  void enlist(SelectRow& row) {
    if (!this->enabled_) return;
    std::construct_at(&slot_.value, std::move(source_));
    row = {.kind = SelectRow::Kind::kSend, .chan = &channel_.core(), .element = &slot_};
  }
  // The value was not sent: it goes back to where it came from.
  void release() {
    if (!this->enabled_) return;
    std::destroy_at(&source_);
    std::construct_at(&source_, std::move(slot_.value));
    std::destroy_at(&slot_.value);
  }
  void chosen(ChanStatus status) {
    if (status != ChanStatus::kOk) release();
    handler_(status == ChanStatus::kOk);
  }

 private:
  const Channel<T>& channel_;
  T& source_;
  F handler_;
  Slot<T> slot_;
};

// A send of a copy: the copy is the source.
template <typename T>
struct SendCopy {
  T copy;
};
template <typename T, typename F>
class SendCopyCase : private SendCopy<T>, public SelectCase<SendCopyCase<T, F>> {
 public:
  SendCopyCase(const Channel<T>& channel, const T& value, F handler)
      : SendCopy<T>{value}, inner_(channel, this->copy, std::move(handler)) {}
  SendCopyCase(const SendCopyCase&) = delete;
  SendCopyCase& operator=(const SendCopyCase&) = delete;

  void enlist(SelectRow& row) {
    if (this->enabled_) inner_.enlist(row);
  }
  void release() {
    if (this->enabled_) inner_.release();
  }
  void chosen(ChanStatus status) { inner_.chosen(status); }

 private:
  SendCase<T, F> inner_;
};

template <typename F>
class DoneCase : public SelectCase<DoneCase<F>> {
 public:
  DoneCase(const Context& context, F handler) : context_(context), handler_(std::move(handler)) {}
  void enlist(SelectRow& row) {
    if (this->enabled_) row = {.kind = SelectRow::Kind::kRecv, .chan = &context_.done_channel()};
  }
  void release() {}
  void chosen(ChanStatus) { handler_(); }

 private:
  const Context& context_;
  F handler_;
};

template <typename F>
class TimeCase : public SelectCase<TimeCase<F>> {
 public:
  TimeCase(std::int64_t deadline, F handler) : deadline_(deadline), handler_(std::move(handler)) {}
  void enlist(SelectRow& row) {
    if (this->enabled_) row = {.kind = SelectRow::Kind::kAfter, .deadline = deadline_};
  }
  void release() {}
  void chosen(ChanStatus) { handler_(); }

 private:
  std::int64_t deadline_;
  F handler_;
};

template <typename F>
class OtherwiseCase : public SelectCase<OtherwiseCase<F>> {
 public:
  explicit OtherwiseCase(F handler) : handler_(std::move(handler)) {}
  void enlist(SelectRow& row) {
    if (this->enabled_) row = {.kind = SelectRow::Kind::kOtherwise};
  }
  void release() {}
  void chosen(ChanStatus) { handler_(); }

 private:
  F handler_;
};

// A point of time is a case without a handler; everything else is a case as it stands.
template <typename Case>
decltype(auto) as_case(Case& given) {
  if constexpr (std::is_convertible_v<Case&, TimePoint>) {
    return TimeCase<NoHandler>(detail::to_ns(given), {});
  } else {
    return static_cast<Case&>(given);
  }
}

template <typename... Cases>
Result<std::size_t> select_cases(Cases&&... cases) {
  constexpr std::size_t kCount = sizeof...(Cases);
  static_assert(kCount <= kMaxSelectRows);
  SelectRow rows[std::max<std::size_t>(kCount, 1)];
  std::size_t i = 0;
  (cases.enlist(rows[i++]), ...);
  const Selected selected = select_rows(rows, kCount);
  const bool canceled = selected.status == ChanStatus::kCanceled;
  // Values that were not sent go back before a handler runs, since it may use them.
  i = 0;
  ((i++ != selected.index || canceled ? cases.release() : void()), ...);
  if (canceled) return chan_error(selected.status, "select");
  i = 0;
  ((i++ == selected.index ? cases.chosen(selected.status) : void()), ...);
  return selected.index;
}

}  // namespace sync

// Receives from channel and calls handler(std::optional<T>).
template <typename T, typename F>
sync::RecvCase<T, std::decay_t<F>> on_recv(const Channel<T>& channel, F&& handler) {
  return {channel, std::forward<F>(handler)};
}

// Sends value and calls handler(bool sent).
template <typename T, typename F>
sync::SendCase<T, std::decay_t<F>> on_send(const Channel<T>& channel, std::type_identity_t<T>&& value, F&& handler) {
  return {channel, value, std::forward<F>(handler)};
}
template <typename T, typename F>
sync::SendCopyCase<T, std::decay_t<F>> on_send(const Channel<T>& channel, const std::type_identity_t<T>& value,
                                               F&& handler) {
  return {channel, value, std::forward<F>(handler)};
}

// Happens when context has ended.
template <typename F = sync::NoHandler>
sync::DoneCase<std::decay_t<F>> on_done(const Context& context, F&& handler = {}) {
  return {context, std::forward<F>(handler)};
}

// Happens when nothing else did until the steady clock reaches time, or for span. (after(span) alone is a point of
// time, see time.h, which select takes too.)
template <typename F = sync::NoHandler>
sync::TimeCase<std::decay_t<F>> at(TimePoint time, F&& handler = {}) {
  return {detail::to_ns(time), std::forward<F>(handler)};
}
template <typename F>
sync::TimeCase<std::decay_t<F>> after(std::chrono::nanoseconds span, F&& handler) {
  return at(after(span), std::forward<F>(handler));
}

// Happens when no other case can go on at once (Go: default). At most one per select.
template <typename F = sync::NoHandler>
sync::OtherwiseCase<std::decay_t<F>> otherwise(F&& handler = {}) {
  return sync::OtherwiseCase<std::decay_t<F>>(std::forward<F>(handler));
}

template <typename... Cases>
Result<std::size_t> select(Cases&&... cases) {
  return sync::select_cases(sync::as_case(cases)...);
}

}  // namespace netpoll
