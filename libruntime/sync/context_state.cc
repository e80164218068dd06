#include "libruntime/sync/context_state.h"
#include "libruntime/sched/inject.h"

#include <mutex>

#include "libruntime/sched/scheduler.h"

namespace netpoll::sync {
namespace {

// The done channel carries nothing; it is only ever closed.
constexpr ElementType kNothing{.size = 0, .align = 1, .relocate = nullptr, .destroy = nullptr};

void parent_ended(CancelNode& node, ChanStatus reason) {
  static_cast<ContextState::ChildNode&>(node).child->end(reason);
}

void deadline_passed(void* state, std::uint64_t) {
  auto* const context = static_cast<ContextState*>(state);
  context->end(ChanStatus::kTimeout);
  ContextState::drop_memory(context);
}

}  // namespace

ContextState::ContextState(ContextState* parent_context) : parent(parent_context), done(kNothing, 0, nullptr) {
  in_parent.notify = parent_ended;
  in_parent.child = this;
  if (parent == nullptr) return;
  add_user(parent);
  deadline = parent->deadline;
}

ContextState::~ContextState() {
  if (parent != nullptr) drop_user(parent);
}

void ContextState::end(ChanStatus why) {
  {
    const std::lock_guard hold(lock);
    if (reason.load(std::memory_order_relaxed) != ChanStatus::kOk) return;
    reason.store(why, std::memory_order_release);
    NETPOLL_STEP();
    done.close();
    // With the lock held: whoever unlinks a node under it knows afterwards that its callback is over or will never run.
    while (CancelNode* node = nodes) {
      nodes = node->next;
      if (nodes != nullptr) nodes->previous = nullptr;
      node->linked = false;
      node->notify(*node, why);
    }
  }
  NETPOLL_STEP();
  // Our caller holds a handle, the parent's lock, or the timer's count, so the state is still there.
  if (sched::stop_timer(timer)) drop_memory(this);
}

ChanStatus ContextState::link(CancelNode& node) {
  const std::lock_guard hold(lock);
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
  const std::lock_guard hold(lock);
  if (!node.linked) return;
  (node.previous != nullptr ? node.previous->next : nodes) = node.next;
  if (node.next != nullptr) node.next->previous = node.previous;
  node.linked = false;
}

void ContextState::start_timer(std::int64_t when) {
  // With the lock held, so that end() either sees the timer or is seen here.
  const std::lock_guard hold(lock);
  if (reason.load(std::memory_order_relaxed) != ChanStatus::kOk) return;
  timer.when = when;
  timer.callback = deadline_passed;
  timer.arg = this;
  memory.fetch_add(1, std::memory_order_relaxed);
  sched::start_timer(sched::current(), timer);
}

void ContextState::add_user(ContextState* state) { state->users.fetch_add(1, std::memory_order_relaxed); }

void ContextState::drop_user(ContextState* state) {
  if (state->users.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  NETPOLL_STEP();
  if (state->parent != nullptr) state->parent->unlink(state->in_parent);
  if (sched::stop_timer(state->timer)) drop_memory(state);
  drop_memory(state);
}

void ContextState::drop_memory(ContextState* state) {
  if (state->memory.fetch_sub(1, std::memory_order_acq_rel) == 1) delete state;
}

}  // namespace netpoll::sync
