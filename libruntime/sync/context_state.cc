// Cancellation down the tree of contexts.
#include "libruntime/sync/context_state.h"
#include "libruntime/sched/random_step.h"

#include "libruntime/sched/scheduler.h"

namespace netpoll::sync {
namespace {

// The done channel carries nothing; it is only ever closed.
constexpr ElementType kNothing{.size = 0, .align = 1, .relocate = nullptr, .destroy = nullptr};

void deadline_passed(void* state, std::uint64_t) {
  auto* const context = static_cast<ContextState*>(state);
  context->end(ChanStatus::kTimeout);
  ContextState::drop_memory(context);
}

}  // namespace

ContextState::ContextState(ContextState* parent_context) : parent(parent_context), done(kNothing, 0, nullptr) {
  in_parent.child = this;
  if (parent == nullptr) return;
  add_user(parent);
  deadline = parent->deadline;
}

// Not recursive, since trees may be deeper than a goroutine's stack: the descendants that are still to be ended are
// kept in a list, which uses the nodes that tied them to their parents.
void ContextState::end(ChanStatus why) {
  ChildNode* to_end = nullptr;
  ContextState* context = this;
  for (;;) {
    {
      const base::MutexLock hold(context->lock);
      if (context->reason.load(std::memory_order_relaxed) == ChanStatus::kOk) {
        context->reason.store(why, std::memory_order_release);
        NETPOLL_STEP();
        context->done.close();
        while (CancelNode* node = context->nodes) {
          context->nodes = node->next;
          if (node->next != nullptr) node->next->previous = nullptr;
          node->linked = false;
          if (node->notify != nullptr) {
            // With the lock held: whoever unlinks a node under it knows afterwards that its callback is over or will
            // never run.
            node->notify(*node, why);
          } else {
            auto* const child = static_cast<ChildNode*>(node);
            child->child->memory.fetch_add(1, std::memory_order_relaxed);
            child->next = to_end;
            to_end = child;
          }
        }
      }
    }
    NETPOLL_STEP();
    if (sched::stop_timer(context->timer)) drop_memory(context);
    if (context != this) drop_memory(context);
    if (to_end == nullptr) return;
    context = to_end->child;
    to_end = static_cast<ChildNode*>(to_end->next);
  }
}

ChanStatus ContextState::link(CancelNode& node) {
  const base::MutexLock hold(lock);
  const ChanStatus why = reason.load(std::memory_order_relaxed);
  if (why != ChanStatus::kOk) return why;
  node.previous = nullptr;
  node.next = nodes;
  if (nodes != nullptr) nodes->previous = &node;
  nodes = &node;
  node.linked = true;
  return ChanStatus::kOk;
}

void ContextState::unlink(CancelNode& node) {
  const base::MutexLock hold(lock);
  if (!node.linked) return;
  (node.previous != nullptr ? node.previous->next : nodes) = node.next;
  if (node.next != nullptr) node.next->previous = node.previous;
  node.linked = false;
}

void ContextState::start_timer(std::int64_t when) {
  // With the lock held, so that end() either sees the timer or is seen here.
  const base::MutexLock hold(lock);
  if (reason.load(std::memory_order_relaxed) != ChanStatus::kOk) return;
  timer.when = when;
  timer.callback = deadline_passed;
  timer.arg = this;
  memory.fetch_add(1, std::memory_order_relaxed);
  sched::start_timer(sched::current(), timer);
}

void ContextState::add_user(ContextState* state) { state->users.fetch_add(1, std::memory_order_relaxed); }

// The last user of a context may be its last child, so this climbs up the tree.
void ContextState::drop_user(ContextState* state) {
  while (state != nullptr && state->users.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    NETPOLL_STEP();
    ContextState* const parent = state->parent;
    if (parent != nullptr) parent->unlink(state->in_parent);
    if (sched::stop_timer(state->timer)) drop_memory(state);
    drop_memory(state);
    state = parent;
  }
}

void ContextState::drop_memory(ContextState* state) {
  if (state->memory.fetch_sub(1, std::memory_order_acq_rel) == 1) delete state;
}

}  // namespace netpoll::sync
