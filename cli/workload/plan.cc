// make_plan: a request becomes a plan, or one clear sentence.
#include <algorithm>
#include <span>
#include <string>

#include "cli/workload/workload.h"
#include "netpoll/runtime.h"

namespace netpoll::workload {
namespace {

using std::chrono::nanoseconds;

constexpr std::uint64_t kMaxConns = 1'000'000;
constexpr std::uint64_t kMaxOps = 1'000'000'000'000;
constexpr nanoseconds kMaxDuration = std::chrono::hours(24 * 7);

std::string names_with(std::uint32_t option) {
  std::string names;
  for (const Workload& workload : workloads()) {
    if (option != 0 && (workload.options & option) == 0) continue;
    if (!names.empty()) names += ", ";
    names += workload.name;
  }
  return names;
}

Error invalid(std::string message, std::string hint) {
  return Error(ErrorKind::kInvalid, std::move(message)).with_hint(std::move(hint));
}

// Collects the first error; later checks of a request that already failed are skipped.
class Checker {
 public:
  Checker(const Workload& workload, std::optional<Error>& error) : workload_(workload), error_(error) {}

  // Takes an optional number into out when its flag applies and its value lies within [low, high].
  template <typename T, typename U>
  void number(Option option, const std::optional<T>& value, std::uint64_t low, std::uint64_t high, U& out) {
    if (!value || error_ || !applies(option)) return;
    range(option_flag(option), static_cast<std::uint64_t>(*value), low, high);
    if (!error_) out = static_cast<U>(*value);
  }

  void time(Option option, const std::optional<nanoseconds>& value, nanoseconds low, nanoseconds high,
            nanoseconds& out) {
    if (!value || error_ || !applies(option)) return;
    if (*value < low || *value > high) {
      error_ = invalid(std::string(option_flag(option)) + " " + std::to_string(value->count()) + "ns is out of range",
                       "between " + std::to_string(low.count()) + "ns and " +
                           std::to_string(std::chrono::duration_cast<std::chrono::seconds>(high).count()) + "s");
      return;
    }
    out = *value;
  }

  bool applies(Option option) {
    if (error_) return false;
    if ((workload_.options & option) != 0) return true;
    error_ = invalid(std::string(option_flag(option)) + " does not apply to workload " + std::string(workload_.name),
                     "it applies to: " + names_with(option));
    return false;
  }

  void range(std::string_view flag, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
    if (error_ || (value >= low && value <= high)) return;
    error_ = invalid(std::string(flag) + " " + std::to_string(value) + " is out of range",
                     "between " + std::to_string(low) + " and " + std::to_string(high));
  }

 private:
  const Workload& workload_;
  std::optional<Error>& error_;
};

// Resolves the default too, so that a result says what it was measured with.
std::optional<Error> check_poller(const std::optional<std::string>& name, Config& config) {
  const std::span<const PollerKind> built = available_pollers();
  config.poller = built.front();
  if (!name) return std::nullopt;
  const auto kind = parse_poller(*name);
  if (!kind || *kind == PollerKind::kDefault) {
    return invalid("unknown poller \"" + *name + "\"", "one of: epoll, kqueue, uring, iocp");
  }
  if (std::find(built.begin(), built.end(), *kind) == built.end()) {
    return Error(ErrorKind::kNotSupported, "the poller " + *name + " is not in this build")
        .with_hint(*kind == PollerKind::kKqueue
                       ? "it is for macOS and the BSDs; on Linux build with -DNETPOLL_KQUEUE=ON "
                         "where libkqueue is installed, or leave --poller out"
                   : *kind == PollerKind::kIocp ? "it is for Windows; leave --poller out"
                                                : "it is for Linux; leave --poller out");
  }
  if (const auto works = try_poller(*kind); !works) {
    return Error(ErrorKind::kNotSupported, "the poller " + *name + " does not work here: " + works.error().message())
        .with_hint(works.error().hint());
  }
  config.poller = *kind;
  return std::nullopt;
}

std::optional<Error> check_runtime(const Request& request, Config& config) {
  if (request.poll_mode) {
    const auto mode = parse_poll_mode(*request.poll_mode);
    if (!mode) return invalid("unknown poll mode \"" + *request.poll_mode + "\"", "one of: thread, inline, hybrid");
    config.poll_mode = *mode;
  }
  if (request.trigger) {
    const auto trigger = parse_trigger(*request.trigger);
    if (!trigger) return invalid("unknown trigger \"" + *request.trigger + "\"", "one of: oneshot, edge, level");
    config.trigger = *trigger;
  }
  if (auto error = check_poller(request.poller, config)) return error;
  if (request.procs) {
    if (*request.procs < 1 || *request.procs > 1024) {
      return invalid("--procs " + std::to_string(*request.procs) + " is out of range",
                     "between 1 and 1024; without the flag one P per CPU");
    }
    config.procs = *request.procs;
  }
  if (request.stack_size) {
    if (*request.stack_size < 16 * 1024 || *request.stack_size > kMaxMessage) {
      return invalid("--stack " + std::to_string(*request.stack_size) + " is out of range",
                     "between 16Ki and 64Mi bytes");
    }
    config.stack_size = *request.stack_size;
  }
  return std::nullopt;
}

std::optional<Error> check_cpu(std::string_view flag, const std::optional<int>& cpu) {
  if (!cpu || (*cpu >= 0 && *cpu < 4096)) return std::nullopt;
  return invalid(std::string(flag) + " " + std::to_string(*cpu) + " is not a CPU number", "CPUs count from 0");
}

}  // namespace

Result<Plan> make_plan(const Request& request) {
  const Workload* workload = find_workload(request.workload);
  if (workload == nullptr) {
    return invalid("unknown workload \"" + request.workload + "\"", "one of: " + names_with(0));
  }
  Plan plan;
  plan.workload = workload;
  plan.conns = workload->conns;
  plan.size = workload->size;
  plan.serve_only = request.serve_only;
  plan.depth = workload->depth;
  plan.listeners = workload->listeners;
  plan.busy = workload->busy;
  plan.buffer = workload->buffer;
  plan.timeout = workload->timeout;
  plan.pause = workload->pause;

  std::optional<Error> error;
  Checker check(*workload, error);
  check.number(kConns, request.conns, 1, kMaxConns, plan.conns);
  check.number(kOps, request.ops, 1, kMaxOps, plan.ops);
  check.time(kDuration, request.duration, std::chrono::milliseconds(1), kMaxDuration, plan.duration);
  check.number(kSize, request.size, workload->min_size, workload->max_size, plan.size);
  if (request.listen && check.applies(kListen)) plan.listen = *request.listen;
  check.number(kDepth, request.depth, 1, 65'536, plan.depth);
  check.number(kListeners, request.listeners, 1, 1024, plan.listeners);
  check.number(kBusy, request.busy, 0, 100'000, plan.busy);
  check.number(kBuffer, request.buffer, 1, kMaxMessage, plan.buffer);
  if (request.hold && check.applies(kHold)) plan.hold = *request.hold;
  if (request.rest && check.applies(kRest)) plan.rest = *request.rest;
  check.time(kTimeout, request.timeout, nanoseconds(1000), std::chrono::hours(1), plan.timeout);
  check.time(kPause, request.pause, std::chrono::microseconds(10), std::chrono::hours(1), plan.pause);
  check.number(kWarmup, request.warmup, 0, kMaxOps, plan.warmup);
  if (request.load_cpu && check.applies(kLoadCpu)) plan.load_cpu = request.load_cpu;
  plan.server_cpu = request.server_cpu;
  if (!error) error = check_runtime(request, plan.runtime);
  if (!error) error = check_cpu("--server-cpu", plan.server_cpu);
  if (!error) error = check_cpu("--load-cpu", plan.load_cpu);
  if (!error && plan.serve_only && (workload->options & kListen) == 0) {
    error = invalid("--serve does not apply to workload " + std::string(workload->name),
                    "it applies to: " + names_with(kListen));
  }
  if (!error && workload->needs_port && plan.listen.starts_with("unix:")) {
    error = invalid("workload " + std::string(workload->name) + " cannot listen at " + plan.listen,
                    "give an address and port: 127.0.0.1:0");
  }
  if (!error && plan.hold && plan.rest) {
    error =
        invalid("--hold does not go with --rest", "what rests between two requests keeps nothing but its connection");
  }
  // Buffers live in the heap, but a message of --size must fit the memory of the machine once per connection.
  if (!error && workload->whole_messages && plan.size > (std::size_t{4} << 30) / plan.conns) {
    error =
        invalid("--size " + std::to_string(plan.size) + " with --conns " + std::to_string(plan.conns) +
                    " would need more than 4 GiB of buffers",
                "at most " + std::to_string((std::size_t{4} << 30) / plan.conns) + " bytes with so many connections");
  }
  constexpr std::uint64_t kMaxInFlight = 16'000'000;  // the load generator keeps the time of each
  if (!error && plan.depth > kMaxInFlight / plan.conns) {
    error = invalid("--depth " + std::to_string(plan.depth) + " with --conns " + std::to_string(plan.conns) +
                        " is more than " + std::to_string(kMaxInFlight) + " requests in flight",
                    "at most --depth " + std::to_string(kMaxInFlight / plan.conns) + " with so many connections");
  }
  if (error) return std::move(*error);

  if (!request.ops && !request.duration) {
    plan.ops = workload->ops;
    plan.duration = workload->duration;
  }
  return plan;
}

}  // namespace netpoll::workload
