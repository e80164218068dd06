// Names of the enumerations that users see.
#include "netpoll/config.h"
#include "netpoll/wait_reason.h"

namespace netpoll {

std::string_view poll_mode_name(PollMode mode) {
  switch (mode) {
    case PollMode::kThread:
      return "thread";
    case PollMode::kInline:
      return "inline";
    case PollMode::kHybrid:
      return "hybrid";
  }
  return "unknown";
}

std::string_view trigger_name(Trigger trigger) {
  switch (trigger) {
    case Trigger::kOneshot:
      return "oneshot";
    case Trigger::kEdge:
      return "edge";
    case Trigger::kLevel:
      return "level";
  }
  return "unknown";
}

std::string_view poller_name(PollerKind kind) {
  switch (kind) {
    case PollerKind::kDefault:
      return "default";
    case PollerKind::kEpoll:
      return "epoll";
    case PollerKind::kKqueue:
      return "kqueue";
    case PollerKind::kUring:
      return "uring";
    case PollerKind::kIocp:
      return "iocp";
  }
  return "unknown";
}

std::optional<PollMode> parse_poll_mode(std::string_view s) {
  for (PollMode mode : {PollMode::kThread, PollMode::kInline, PollMode::kHybrid}) {
    if (s == poll_mode_name(mode)) return mode;
  }
  return std::nullopt;
}

std::optional<Trigger> parse_trigger(std::string_view s) {
  for (Trigger trigger : {Trigger::kOneshot, Trigger::kEdge, Trigger::kLevel}) {
    if (s == trigger_name(trigger)) return trigger;
  }
  return std::nullopt;
}

std::optional<PollerKind> parse_poller(std::string_view s) {
  for (PollerKind kind :
       {PollerKind::kDefault, PollerKind::kEpoll, PollerKind::kKqueue, PollerKind::kUring, PollerKind::kIocp}) {
    if (s == poller_name(kind)) return kind;
  }
  return std::nullopt;
}

std::string_view wait_reason_name(WaitReason reason) {
  switch (reason) {
#define NETPOLL_WAIT_REASON(name, number, text) \
  case WaitReason::name:                        \
    return text;
#include "netpoll/wait_reasons.def"
#undef NETPOLL_WAIT_REASON
  }
  return "unknown";
}

std::string_view g_status_name(GStatus status) {
  switch (status) {
    case GStatus::kIdle:
      return "idle";
    case GStatus::kRunnable:
      return "runnable";
    case GStatus::kRunning:
      return "running";
    case GStatus::kSyscall:
      return "syscall";
    case GStatus::kWaiting:
      return "waiting";
    case GStatus::kDead:
      return "dead";
  }
  return "unknown";
}

}  // namespace netpoll
