// Writes a plan as arguments, and reads them back.
#include "cli/workload/args.h"

#include <charconv>
#include <type_traits>

namespace netpoll::workload {
namespace {

using std::chrono::nanoseconds;

// Calls field(name, reference) for everything that is passed on.
template <typename Child, typename F>
void each_field(Child& child, F&& field) {
  auto& plan = child.plan;
  field("workload", plan.workload);
  field("conns", plan.conns);
  field("ops", plan.ops);
  field("duration-ns", plan.duration);
  field("size", plan.size);
  field("listen", plan.listen);
  field("serve-only", plan.serve_only);
  field("depth", plan.depth);
  field("listeners", plan.listeners);
  field("busy", plan.busy);
  field("buffer", plan.buffer);
  field("hold", plan.hold);
  field("rest", plan.rest);
  field("timeout-ns", plan.timeout);
  field("pause-ns", plan.pause);
  field("warmup", plan.warmup);
  field("procs", plan.runtime.procs);
  field("poll-mode", plan.runtime.poll_mode);
  field("trigger", plan.runtime.trigger);
  field("poller", plan.runtime.poller);
  field("stack", plan.runtime.stack_size);
  field("server-cpu", plan.server_cpu);
  field("load-cpu", plan.load_cpu);
  field("address", child.addresses);
  field("server-pid", child.server_pid);
  field("control-fd", child.control_fd);
  field("report-fd", child.report_fd);
  field("patience-ns", child.patience);
}

class Writer {
 public:
  explicit Writer(std::vector<std::string>& out) : out_(out) {}

  template <typename T>
  void operator()(std::string_view name, const T& value) {
    if constexpr (std::is_same_v<T, const Workload*>) {
      add(name, std::string(value->name));
    } else if constexpr (std::is_same_v<T, nanoseconds>) {
      add(name, std::to_string(value.count()));
    } else if constexpr (std::is_same_v<T, std::string>) {
      add(name, value);
    } else if constexpr (std::is_same_v<T, PollMode>) {
      add(name, std::string(poll_mode_name(value)));
    } else if constexpr (std::is_same_v<T, Trigger>) {
      add(name, std::string(trigger_name(value)));
    } else if constexpr (std::is_same_v<T, PollerKind>) {
      add(name, std::string(poller_name(value)));
    } else if constexpr (std::is_same_v<T, std::optional<int>>) {
      if (value) add(name, std::to_string(*value));
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      for (const std::string& one : value) add(name, one);
    } else {
      add(name, std::to_string(value));
    }
  }

 private:
  void add(std::string_view name, const std::string& value) { out_.push_back("--" + std::string(name) + "=" + value); }
  std::vector<std::string>& out_;
};

template <typename T>
bool parse_number(std::string_view text, T& out) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), out);
  return status == std::errc() && end == text.data() + text.size();
}

// Looks for the field called name_ and parses value_ into it.
class Setter {
 public:
  Setter(std::string_view name, std::string_view value) : name_(name), value_(value) {}

  template <typename T>
  void operator()(std::string_view name, T& out) {
    if (name != name_) return;
    known = true;
    if constexpr (std::is_same_v<T, const Workload*>) {
      out = find_workload(value_);
      ok = out != nullptr;
    } else if constexpr (std::is_same_v<T, nanoseconds>) {
      nanoseconds::rep count = 0;
      ok = parse_number(value_, count);
      out = nanoseconds(count);
    } else if constexpr (std::is_same_v<T, std::string>) {
      out = value_;
    } else if constexpr (std::is_same_v<T, PollMode>) {
      const auto mode = parse_poll_mode(value_);
      ok = mode.has_value();
      if (ok) out = *mode;
    } else if constexpr (std::is_same_v<T, Trigger>) {
      const auto trigger = parse_trigger(value_);
      ok = trigger.has_value();
      if (ok) out = *trigger;
    } else if constexpr (std::is_same_v<T, PollerKind>) {
      const auto poller = parse_poller(value_);
      ok = poller.has_value();
      if (ok) out = *poller;
    } else if constexpr (std::is_same_v<T, std::optional<int>>) {
      int number = 0;
      ok = parse_number(value_, number);
      out = number;
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      out.emplace_back(value_);
    } else if constexpr (std::is_same_v<T, bool>) {
      ok = value_ == "0" || value_ == "1";
      out = value_ == "1";
    } else {
      ok = parse_number(value_, out);
    }
  }

  bool known = false;
  bool ok = true;

 private:
  std::string_view name_;
  std::string_view value_;
};

}  // namespace

std::vector<std::string> to_args(const ChildArgs& child) {
  std::vector<std::string> args;
  each_field(child, Writer(args));
  return args;
}

Result<ChildArgs> parse_args(std::span<char*> args) {
  ChildArgs child;
  for (const char* arg : args) {
    const std::string_view text(arg);
    const std::size_t equals = text.find('=');
    if (!text.starts_with("--") || equals == std::string_view::npos) {
      return Error(ErrorKind::kInvalid, "argument \"" + std::string(text) + "\" is not --name=value");
    }
    Setter setter(text.substr(2, equals - 2), text.substr(equals + 1));
    each_field(child, [&](std::string_view name, auto& field) { setter(name, field); });
    if (!setter.known) return Error(ErrorKind::kInvalid, "unknown argument \"" + std::string(text) + "\"");
    if (!setter.ok) return Error(ErrorKind::kInvalid, "bad value in \"" + std::string(text) + "\"");
  }
  if (child.plan.workload == nullptr) return Error(ErrorKind::kInvalid, "--workload is missing");
  return child;
}

std::vector<std::string> serve_args(const Plan& plan, int control_fd, int report_fd) {
  std::vector<std::string> args = to_args({.plan = plan, .control_fd = control_fd, .report_fd = report_fd});
  args.insert(args.begin(), "__serve");
  return args;
}

std::vector<std::string> load_args(const Plan& plan, const std::vector<std::string>& addresses, int server_pid,
                                   int control_fd, int report_fd) {
  std::vector<std::string> args = to_args({.plan = plan,
                                           .addresses = addresses,
                                           .server_pid = server_pid,
                                           .control_fd = control_fd,
                                           .report_fd = report_fd});
  args.insert(args.begin(), "__load");
  return args;
}

}  // namespace netpoll::workload
