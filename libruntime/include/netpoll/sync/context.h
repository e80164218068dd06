// Context: tells a tree of goroutines that nobody needs their result any more.
//
//   netpoll::Context request = server.with_timeout(2s);
//   netpoll::go([request] { ... if (request.done()) return; ... });
//   netpoll::select(netpoll::on_recv(answers, use), netpoll::on_done(request, [] { give_up(); }));
//   netpoll::dial(address, {.cancel = &request});
//   request.cancel();
//
// Tree:      with_cancel(), with_deadline() and with_timeout() make a child. When a context ends, by cancel(), by its
//            deadline or with its parent, all its descendants end; it never ends its parent. The first reason stays.
// Ownership: a Context is a handle; copies are the same context. A child keeps its parents alive, a parent does
//            not keep its children: one whose last handle is gone leaves the tree and stops its timer (so there
//            is no cancel function that must be called, unlike in Go).
// Threads:   everything from any thread, except wait() and what starts a timer (with_deadline, with_timeout), which
//            need a goroutine: the timer belongs to its Runtime, and the context must not outlive that Runtime.
// Shutdown:  a context is not cancelled by Runtime::shutdown(kCancel); what waits for it is, and returns kCanceled.
#pragma once

#include <chrono>
#include <optional>

#include "netpoll/result.h"
#include "netpoll/sync/detail/chan_core.h"

namespace netpoll {

namespace sync {
struct ContextState;
// What a context tells when it ends: an OnCancel, or a child (without notify). Linked under the lock of that context.
struct CancelNode {
  void (*notify)(CancelNode& node, ChanStatus reason) = nullptr;
  CancelNode* next = nullptr;
  CancelNode* previous = nullptr;
  bool linked = false;
};
}  // namespace sync

class Context {
 public:
  // A root: ends only by cancel().
  Context();
  Context(const Context& other);
  Context(Context&& other) noexcept : state_(other.state_) { other.state_ = nullptr; }
  Context& operator=(const Context& other);
  Context& operator=(Context&& other) noexcept;
  ~Context();

  [[nodiscard]] Context with_cancel() const;
  // Ends at deadline with kTimeout (or with the parent, if that is earlier). In the past: has ended when it is made.
  [[nodiscard]] Context with_deadline(std::chrono::steady_clock::time_point deadline) const;
  [[nodiscard]] Context with_timeout(std::chrono::nanoseconds timeout) const;

  // Ends the context with kCanceled, and wakes who waits for it, before it returns. Later calls do nothing.
  void cancel() const;

  // Whether it ended. One load.
  bool done() const;
  // Success while it lives; then the error it ended with: kCanceled or kTimeout.
  Result<void> status() const;
  // Parks until the context ended. kCanceled when the Runtime shuts down first.
  Result<void> wait() const;
  // The earliest deadline of this context and its parents.
  std::optional<std::chrono::steady_clock::time_point> deadline() const;

  // For select.h: a channel that is closed when the context ends.
  sync::ChanCore& done_channel() const;

 private:
  friend class OnCancel;
  explicit Context(sync::ContextState* state) : state_(state) {}

  sync::ContextState* state_;
};

// OnCancel: calls notify(argument) once when context ends; at once, in the constructor, if it has ended already. For
// waits that are not channel operations, such as I/O: the callback then expires a deadline.
//
// The callback runs on the thread that ends the context, possibly a scheduler's own stack, with the context's lock
// held. It must be short, must not park, and must not use the same context or its parents. When the destructor returns
// the callback has run or never will.
class OnCancel : private sync::CancelNode {
 public:
  OnCancel(const Context& context, void (*notify)(void* argument), void* argument);
  ~OnCancel();
  OnCancel(const OnCancel&) = delete;
  OnCancel& operator=(const OnCancel&) = delete;

 private:
  static void run(sync::CancelNode& node, sync::ChanStatus reason);

  Context context_;
  void (*callback_)(void* argument);
  void* argument_;
};

}  // namespace netpoll
