// Config: everything a Runtime can be told, as a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace netpoll {

// Who calls epoll_wait. See libruntime/HACKING.md, "Who polls".
enum class PollMode : std::uint8_t {
  kThread,  // only the dedicated poll thread
  kInline,  // Go: idle Ms block in the poll, busy Ms look without blocking, sysmon looks after 10 ms
  kHybrid,  // an idle M takes the poll; when every M is busy the poll thread takes it back
};

// How interest is armed.
enum class Trigger : std::uint8_t {
  kOneshot,  // EPOLLONESHOT, armed by EPOLL_CTL_MOD before each wait
  kEdge,     // EPOLLET, registered once (Go)
  kLevel,    // level-triggered; armed by MOD before each wait, disarmed by MOD at delivery
};

// What tells readiness, or completes operations: the back end under the poller. Which ones exist depends on the
// platform; see available_pollers() (runtime.h).
enum class PollerKind : std::uint8_t {
  kDefault,  // the platform's own
  kEpoll,    // Linux
  kKqueue,   // macOS and the BSDs
  kUring,    // Linux's io_uring
  kIocp,     // Windows' completion ports
};

std::string_view poll_mode_name(PollMode mode);               // "thread", "inline", "hybrid"
std::string_view trigger_name(Trigger trigger);               // "oneshot", "edge", "level"
std::string_view poller_name(PollerKind kind);                // "default", "epoll", "kqueue", "uring", "iocp"
std::optional<PollMode> parse_poll_mode(std::string_view s);  // nothing for an unknown name
std::optional<Trigger> parse_trigger(std::string_view s);
std::optional<PollerKind> parse_poller(std::string_view s);

struct Config {
  int procs = 0;  // number of Ps; 0: one per CPU the process may use
  PollMode poll_mode = PollMode::kHybrid;
  Trigger trigger = Trigger::kEdge;
  PollerKind poller = PollerKind::kDefault;  // fatal when it is not among available_pollers()
  std::size_t stack_size = 64 * 1024;        // usable bytes of a goroutine's stack, rounded up to pages
  // Fatal "all goroutines are asleep" instead of hanging in run(), where that is certain: no Runtime of the process has
  // anything to do or to wait for, no other thread lives than theirs and those in run() and shutdown(), and no signal
  // handler is installed. In other programs somebody from outside could still wake a goroutine, and they hang.
  bool detect_deadlock = true;
  std::string name = "netpoll";  // shown in snapshots and messages
};

}  // namespace netpoll
