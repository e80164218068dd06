// Context: a handle on a node of the tree.
#include "netpoll/sync/context.h"

#include "libruntime/base/clock.h"
#include "libruntime/sync/context_state.h"
#include "netpoll/time.h"

namespace netpoll {

using sync::ChanStatus;
using sync::ContextState;

namespace {

Result<void> to_result(ChanStatus reason) {
  if (reason == ChanStatus::kOk) return {};
  return sync::chan_error(reason, reason == ChanStatus::kTimeout ? "deadline of context" : "context");
}

}  // namespace

Context::Context() : state_(new ContextState(nullptr)) {}

Context::Context(const Context& other) : state_(other.state_) { ContextState::add_user(state_); }

Context& Context::operator=(const Context& other) {
  Context copy(other);
  std::swap(state_, copy.state_);
  return *this;
}

Context& Context::operator=(Context&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Context::~Context() {
  if (state_ != nullptr) ContextState::drop_user(state_);
}

Context Context::with_cancel() const {
  Context child(new ContextState(state_));
  if (const ChanStatus reason = state_->link(child.state_->in_parent); reason != ChanStatus::kOk) {
    child.state_->end(reason);
  }
  return child;
}

Context Context::with_deadline(std::chrono::steady_clock::time_point deadline) const {
  const std::int64_t when = detail::to_ns(deadline);
  Context child(new ContextState(state_));
  // The parent's own timer ends the child in time.
  const bool own_timer = when < state_->deadline;
  if (own_timer) child.state_->deadline = when;
  if (const ChanStatus reason = state_->link(child.state_->in_parent); reason != ChanStatus::kOk) {
    child.state_->end(reason);
  } else if (own_timer && when <= base::nanotime()) {
    child.state_->end(ChanStatus::kTimeout);
  } else if (own_timer) {
    child.state_->start_timer(when);
  }
  return child;
}

Context Context::with_timeout(std::chrono::nanoseconds timeout) const { return with_deadline(after(timeout)); }

void Context::cancel() const { state_->end(ChanStatus::kCanceled); }

bool Context::done() const { return state_->reason.load(std::memory_order_acquire) != ChanStatus::kOk; }

Result<void> Context::status() const { return to_result(state_->reason.load(std::memory_order_acquire)); }

Result<void> Context::wait() const {
  const ChanStatus status = state_->done.recv(nullptr, sync::kForever, WaitReason::kContext);
  if (status == ChanStatus::kClosed) return {};
  return sync::chan_error(status, "wait for context");
}

std::optional<std::chrono::steady_clock::time_point> Context::deadline() const {
  if (state_->deadline == sync::kForever) return std::nullopt;
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(state_->deadline));
}

sync::ChanCore& Context::done_channel() const { return state_->done; }

OnCancel::OnCancel(const Context& context, void (*notify_argument)(void*), void* argument)
    : context_(context), callback_(notify_argument), argument_(argument) {
  notify = run;
  if (context_.state_->link(*this) != ChanStatus::kOk) callback_(argument_);
}

OnCancel::~OnCancel() { context_.state_->unlink(*this); }

void OnCancel::run(sync::CancelNode& node, ChanStatus) {
  auto& self = static_cast<OnCancel&>(node);
  self.callback_(self.argument_);
}

}  // namespace netpoll
