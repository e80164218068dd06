// The rules that tell a program's figures from those of timing, found by running each workload several times in every
// poll mode and trigger and looking at what moved.
#include "cli/compare/nature.h"

#include <algorithm>
#include <array>
#include <string>

#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// System calls that wait or wake.
constexpr std::array<std::string_view, 10> kTimingCalls{"epoll_wait", "epoll_pwait",    "epoll_pwait2", "poll",
                                                        "ppoll",      "select",         "pselect6",     "futex",
                                                        "nanosleep",  "clock_nanosleep"};
// What a runtime uses for its own plumbing beside data.
constexpr std::array<std::string_view, 3> kPlumbing{"read", "write", "close"};
constexpr std::array<std::string_view, 4> kExactTracepoints{"fd_register", "fd_close", "go_create", "go_exit"};
constexpr std::array<std::string_view, 8> kExactOfServer{"operations", "connections", "bytes_read", "bytes_written",
                                                         "errors",     "mismatches",  "accepted",   "bytes_sent"};

std::string_view first_part(std::string_view& path) {
  const std::size_t end = std::min(path.find('.'), path.size());
  const std::string_view part = path.substr(0, end);
  path.remove_prefix(std::min(end + 1, path.size()));
  return part;
}

// figure: what stands behind "syscalls.NAME.".
Nature of_syscall(std::string_view name, std::string_view figure, const Surroundings& surroundings) {
  if (contains(kTimingCalls, name)) return Nature::kTiming;
  if (figure.starts_with("errors.") && is_timing_errno(figure.substr(7))) return Nature::kTiming;
  const bool counts = figure == "count" || figure == "per_op" || figure == "without_eagain" ||
                      figure.starts_with("errors.") || figure.starts_with("ops.");
  if (!counts) return Nature::kTiming;
  const bool rearms = surroundings.rearms && name == "epoll_ctl" && figure != "ops.add" && figure != "ops.del";
  const bool plumbing = surroundings.runtime && contains(kPlumbing, name);
  return rearms || plumbing ? Nature::kLoose : Nature::kExact;
}

}  // namespace

bool is_timing_errno(std::string_view name) {
  return name == "EAGAIN" || name == "EINTR" || name == "ETIMEDOUT" || name == "EINPROGRESS" ||
         name.starts_with("ERESTART");
}

Surroundings Surroundings::of(const Json& document) {
  Surroundings found;
  const auto workload = document.find("workload");
  if (workload != document.end() && workload->is_object()) {
    const auto ops = workload->find("ops");
    found.fixed_work = ops != workload->end() && ops->is_number();
    const auto trigger = workload->find("trigger");
    found.rearms = trigger != workload->end() && trigger->is_string() && *trigger != "edge";
  }
  // stat -p writes "command": null; a result without the member is one of run.
  const auto command = document.find("command");
  if (command != document.end() && command->is_null()) found.fixed_work = false;
  const auto target = document.find("target");
  if (target != document.end() && target->is_object()) {
    const auto kind = target->find("kind");
    found.runtime = kind != target->end() && (*kind == "libruntime" || *kind == "go");
  }
  return found;
}

Nature nature_of(std::string_view path, const Surroundings& surroundings) {
  if (!surroundings.fixed_work) return Nature::kTiming;
  std::string_view rest = path;
  const std::string_view top = first_part(rest);
  if (top == "operations" && rest.empty()) return Nature::kExact;
  if (top == "syscalls") {
    const std::string_view name = first_part(rest);
    return of_syscall(name, rest, surroundings);
  }
  if (top == "tracepoints") {
    const std::string_view name = first_part(rest);
    if (contains(kExactTracepoints, name)) return Nature::kExact;
    return name == "rearm" ? Nature::kLoose : Nature::kTiming;
  }
  if (top == "server" || top == "load") {
    return contains(kExactOfServer, rest) || rest == "bytes_received" || rest == "warmup_operations" ? Nature::kExact
                                                                                                     : Nature::kTiming;
  }
  return Nature::kTiming;
}

}  // namespace netpoll::cli
