// context_state.h: one node of the tree of contexts.
#pragma once

#include <atomic>
#include <cstdint>

#include "libruntime/sched/timers.h"
#include "libruntime/sync/chan.h"
#include "netpoll/base/mutex.h"
#include "netpoll/sync/context.h"

namespace netpoll::sync {

// Lock order: a context's lock before a channel's, before the timer heap's (which is never held while a callback of a
// timer runs) and before whatever an OnCancel callback takes. Never two contexts' locks at a time.
struct ContextState {
  // The place of a child in its parent's list; it has no notify.
  struct ChildNode : CancelNode {
    ContextState* child = nullptr;
  };

  explicit ContextState(ContextState* parent_context);

  // Ends the context, its waiters, its callbacks and its descendants, unless that happened before.
  void end(ChanStatus reason);
  // Links node, or returns the reason if the context has ended (then node is not linked).
  ChanStatus link(CancelNode& node);
  void unlink(CancelNode& node);
  // Lets the context end at `when`, unless it has ended. In goroutines.
  void start_timer(std::int64_t when);

  // users counts handles and children; at zero the context leaves the tree and stops its timer. memory counts one for
  // all users, one for a timer that is queued or running, and one while an end() goes through the tree; at zero the
  // state is freed.
  static void add_user(ContextState* state);
  static void drop_user(ContextState* state);
  static void drop_memory(ContextState* state);

  std::atomic<std::uint32_t> users{1};
  std::atomic<std::uint32_t> memory{1};
  std::atomic<ChanStatus> reason{ChanStatus::kOk};  // kOk while it lives, then kCanceled or kTimeout
  std::int64_t deadline = kForever;                 // the earliest of this context and its parents; constant
  base::Mutex lock;
  CancelNode* nodes NETPOLL_GUARDED_BY(lock) = nullptr;
  ContextState* const parent;  // this context is a user of it until its own users are gone
  ChildNode in_parent;         // guarded by the parent's lock while linked
  sched::HeapTimer timer;
  ChanCore done;
};

}  // namespace netpoll::sync
