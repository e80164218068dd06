// The shared flags: their declarations, their checks, and what they stand for.
#include "cli/options.h"

#include <algorithm>

#include "cli/process_list.h"
#include "cli/spell.h"
#include "cli/units.h"
#include "netpoll/trace/event.h"

namespace netpoll::cli {
namespace {

Error unknown(std::string_view kind, const std::string& word, const std::vector<std::string>& known) {
  return Error(ErrorKind::kInvalid, "unknown " + std::string(kind) + " \"" + word + "\"")
      .with_hint(did_you_mean(word, known, "one of: " + joined(known)));
}

const std::vector<std::string> kBackends = {"auto", "ebpf", "ptrace", "self", "none"};

// Groups, system calls and tracepoints, for -e.
std::vector<std::string> event_names() {
  std::vector<std::string> names = {"epoll", "io", "thread", "syscalls", "tracepoints"};
  for (std::size_t i = 0; i < probes::kSyscallCount; ++i) {
    names.emplace_back(probes::syscall_name(static_cast<probes::Syscall>(i)));
  }
  for (const trace::TpInfo& row : trace::tracepoints()) names.emplace_back(row.name);
  return names;
}

}  // namespace

void add_general_options(Flags& flags, GeneralOptions& options) {
  const char* group = "Messages";
  flags.on_off("-q,--quiet", options.quiet, {group, "", "No progress and no notes on standard error"});
  flags.on_off("-v,--verbose", options.verbose, {group, "", "Say what is being done, and why"});
  flags.text(
      "--color", options.color,
      {group, "WHEN", "When to colour: auto, always or never; NO_COLOR is respected", {"auto", "always", "never"}});
  flags.on_off("-h,--help", options.help, {group, "", "Show this help"});
}

Result<ColorChoice> parse_color(const std::string& text) {
  if (text == "auto") return ColorChoice::kAuto;
  if (text == "always") return ColorChoice::kAlways;
  if (text == "never") return ColorChoice::kNever;
  return unknown("--color", text, {"auto", "always", "never"});
}

void add_output_options(Flags& flags, OutputOptions& options, exporters::Content content, bool strict_too) {
  const char* group = "Output";
  flags.text("-f,--format", options.format,
             {group, "NAME",
              joined(exporters::format_names(content), " or ") +
                  (content == exporters::Content::kStream ? "; text unless told" : "; a table unless told"),
              exporters::format_names(content)});
  flags.on_off("--json", options.json, {group, "", "The same as -f json"});
  flags.text("-o,--output", options.path, {group, "FILE", "Write to FILE, which appears once it is complete"});
  if (strict_too) flags.on_off("--strict", options.strict, {group, "", "Exit with 4 when data was lost"});
}

void add_pager_option(Flags& flags, OutputOptions& options) {
  flags.on_off("--no-pager", options.no_pager, {"Output", "", "No pager for a table that is longer than the screen"});
}

void add_save_option(Flags& flags, OutputOptions& options) {
  flags.text("--save", options.save, {"Output", "FILE", "Write the result as JSON to FILE as well"});
}

void add_process_options(Flags& flags, ProcessOptions& options, bool several) {
  const char* group = "Target";
  const char* pid = several ? "A process id; repeat it for more" : "A process id";
  const char* comm =
      several ? "Every process with this name (/proc/PID/comm)" : "The process with this name (/proc/PID/comm)";
  flags.list("-p,--pid", options.pids, /*separate=*/true, {group, "PID", pid});
  flags.text("--comm", options.comm, {group, "NAME", comm});
}

Result<std::vector<pid_t>> find_processes(const ProcessOptions& options) {
  std::vector<pid_t> found;
  for (const std::string& text : options.pids) {
    const auto pid = parse_pid(text);
    if (!pid) return pid.error();
    if (!process_exists(*pid)) {
      return Error(ErrorKind::kNotFound, "there is no process " + text)
          .with_hint("it may have ended; ps -e lists what runs, --comm NAME finds a process by its name");
    }
    if (const pid_t owner = process_of_thread(*pid); owner != *pid) {
      return Error(ErrorKind::kInvalid,
                   text + " is a thread of process " + std::to_string(owner) + " (" + process_comm(owner) + ")")
          .with_hint("-p " + std::to_string(owner) + " looks at the process, all of its threads");
    }
    if (std::find(found.begin(), found.end(), *pid) == found.end()) found.push_back(*pid);
  }
  if (!options.comm.empty()) {
    const auto named = processes_named(options.comm);
    if (named.empty()) {
      return Error(ErrorKind::kNotFound, "no process is called \"" + options.comm + "\"")
          .with_hint(did_you_mean(options.comm, process_names(), "ps -eo pid,comm lists what runs"));
    }
    for (const pid_t pid : named) {
      if (std::find(found.begin(), found.end(), pid) == found.end()) found.push_back(pid);
    }
  }
  return found;
}

void add_cgroup_options(Flags& flags, CgroupOptions& options) {
  const char* group = "Target";
  flags.list("--cgroup", options.cgroups, /*separate=*/false,
             {group, "PATH", "The processes in and below a cgroup v2, now and later; needs eBPF"});
  flags.list("--container", options.containers, /*separate=*/false, {group, "ID", "The same of a container"});
  flags.list("--pod", options.pods, /*separate=*/false, {group, "NS/NAME", "The same of a pod of Kubernetes"});
}

Result<std::vector<probes::Cgroup>> find_cgroups(const CgroupOptions& options) {
  std::vector<probes::Cgroup> all;
  const auto add = [&](probes::Cgroup cgroup) {
    const auto same = [&](const probes::Cgroup& known) { return known.id == cgroup.id; };
    if (std::none_of(all.begin(), all.end(), same)) all.push_back(std::move(cgroup));
  };
  for (const std::string& path : options.cgroups) {
    auto cgroup = probes::find_cgroup(path);
    if (!cgroup) return std::move(cgroup).error();
    add(std::move(*cgroup));
  }
  for (const std::string& id : options.containers) {
    auto found = probes::find_container(id);
    if (!found) return std::move(found).error();
    for (probes::Cgroup& cgroup : *found) add(std::move(cgroup));
  }
  for (const std::string& name : options.pods) {
    auto found = probes::find_pod(name);
    if (!found) return std::move(found).error();
    for (probes::Cgroup& cgroup : *found) add(std::move(cgroup));
  }
  if (all.size() > probes::kMaxCgroups) {
    return Error(ErrorKind::kInvalid, std::to_string(all.size()) + " cgroups are too many")
        .with_hint("at most " + std::to_string(probes::kMaxCgroups) + "; one that contains them all counts them too");
  }
  return all;
}

Result<void> check_targets(std::string_view command, const ProcessOptions& process, const CgroupOptions& cgroup,
                           const std::vector<std::string>& program) {
  const bool processes = !process.pids.empty() || !process.comm.empty();
  const int kinds = (processes ? 1 : 0) + (cgroup.given() ? 1 : 0) + (program.empty() ? 0 : 1);
  if (kinds == 1) return {};
  const std::string name(command);
  return Error(ErrorKind::kInvalid, kinds == 0 ? name + " needs a process or a command"
                                               : "processes (-p, --comm), cgroups and -- CMD exclude each other")
      .with_hint("netpoll-trace " + name + " -p PID, --comm NAME, --cgroup PATH, or -- CMD ARG...");
}

void add_backend_option(Flags& flags, std::string& backend) {
  flags.text("--backend", backend, {"Probes", "NAME", "How to observe: auto, ebpf, ptrace, self or none", kBackends});
}

Result<probes::Backend> parse_backend_option(const std::string& text) {
  if (const auto backend = probes::parse_backend(text)) return *backend;
  return unknown("back end", text, kBackends);
}

void add_event_option(Flags& flags, std::vector<std::string>& events) {
  flags.list("-e,--event", events, /*separate=*/true,
             {"Probes", "LIST",
              "Show only these: system calls, tracepoints, or the groups epoll, io, thread, syscalls, tracepoints",
              event_names()});
}

std::optional<std::bitset<probes::kSyscallCount>> EventFilter::only_syscalls() const {
  if (everything) return std::nullopt;
  std::bitset<probes::kSyscallCount> only;
  for (std::size_t i = 0; i < syscalls.size(); ++i) only.set(i, syscalls[i]);
  return only;
}

Result<EventFilter> parse_events(const std::vector<std::string>& events) {
  EventFilter filter;
  filter.everything = events.empty();
  const auto select = [&](std::string_view word) {
    bool hit = false;
    for (std::size_t i = 0; i < probes::kSyscallCount; ++i) {
      const std::string_view row = probes::syscall_name(static_cast<probes::Syscall>(i));
      const std::string_view klass = probes::syscall_class(static_cast<probes::Syscall>(i));
      const bool epoll = klass == "wait" || klass == "ctl" || klass == "create";
      if (word == row || word == klass || word == "syscalls" || (word == "epoll" && epoll)) {
        filter.syscalls[i] = hit = true;
      }
    }
    for (std::size_t tp = 0; tp < trace::kTpCount; ++tp) {
      const std::string_view row = trace::tracepoints()[tp].name;
      if (word == row || word == "tracepoints") filter.tracepoints[tp] = hit = true;
    }
    return hit;
  };
  for (const std::string& word : events) {
    if (!select(word)) return unknown("event", word, event_names());
  }
  return filter;
}

Result<std::optional<std::chrono::nanoseconds>> optional_duration(const std::string& text, std::string_view flag) {
  if (text.empty()) return std::optional<std::chrono::nanoseconds>();
  auto value = parse_duration(text, flag);
  if (!value) return value.error();
  return std::optional(*value);
}

}  // namespace netpoll::cli
