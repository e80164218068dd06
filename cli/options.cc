#include "cli/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/process_list.h"
#include "cli/spell.h"
#include "cli/units.h"

namespace netpoll::cli {
namespace {

Error unknown(std::string_view kind, const std::string& word, const std::vector<std::string>& known) {
  return Error(ErrorKind::kInvalid, "unknown " + std::string(kind) + " \"" + word + "\"")
      .with_hint(did_you_mean(word, known, "one of: " + joined(known)));
}

}  // namespace

void add_general_options(CLI::App& app, GeneralOptions& options) {
  const std::string group = "Messages";
  app.add_flag("-q,--quiet", options.quiet, "No progress and no notes on standard error")->group(group);
  app.add_flag("-v,--verbose", options.verbose, "Say what is being done, and why")->group(group);
  app.add_option("--color", options.color, "When to colour: auto, always or never; NO_COLOR is respected")
      ->type_name("WHEN")
      ->group(group);
}

Result<ColorChoice> parse_color(const std::string& text) {
  if (text == "auto") return ColorChoice::kAuto;
  if (text == "always") return ColorChoice::kAlways;
  if (text == "never") return ColorChoice::kNever;
  return unknown("--color", text, {"auto", "always", "never"});
}

void add_output_options(CLI::App& app, OutputOptions& options, bool strict_too) {
  const std::string group = "Output";
  app.add_option("-f,--format", options.format, "table or json; a table unless told")->type_name("NAME")->group(group);
  app.add_flag("--json", options.json, "The same as -f json")->group(group);
  app.add_option("-o,--output", options.path, "Write to FILE, which appears once it is complete")
      ->type_name("FILE")
      ->group(group);
  if (strict_too) app.add_flag("--strict", options.strict, "Exit with 4 when data was lost")->group(group);
}

Result<Format> parse_format(const OutputOptions& options) {
  if (options.json && options.format != "table" && options.format != "json") {
    return Error(ErrorKind::kInvalid, "--json and --format " + options.format + " exclude each other")
        .with_hint("--json is the same as -f json: give one of them");
  }
  if (options.json || options.format == "json") return Format::kJson;
  if (options.format == "table") return Format::kTable;
  return unknown("format", options.format, {"table", "json"});
}

bool use_color_for(ColorChoice choice, const exporters::Destination& out) {
  if (choice == ColorChoice::kAuto && !out.is_stdout()) return false;
  return use_color(choice, STDOUT_FILENO);
}

void add_process_options(CLI::App& app, ProcessOptions& options, bool several) {
  const std::string group = "Target";
  app.add_option("-p,--pid", options.pids, several ? "A process id; repeat it for more" : "A process id")
      ->type_name("PID")
      ->delimiter(',')
      ->expected(1, several ? 1024 : 1)
      ->group(group);
  app.add_option(
         "--comm", options.comm,
         several ? "Every process with this name (/proc/PID/comm)" : "The process with this name (/proc/PID/comm)")
      ->type_name("NAME")
      ->group(group);
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

void add_backend_option(CLI::App& app, std::string& backend) {
  app.add_option("--backend", backend, "How to observe: auto, ebpf, ptrace, self or none")
      ->type_name("NAME")
      ->group("Probes");
}

Result<probes::Backend> parse_backend_option(const std::string& text) {
  if (const auto backend = probes::parse_backend(text)) return *backend;
  return unknown("back end", text, {"auto", "ebpf", "ptrace", "self", "none"});
}

void add_event_option(CLI::App& app, std::vector<std::string>& events) {
  app.add_option("-e,--event", events,
                 "Show only these: system calls, tracepoints, or the groups epoll, io, thread, "
                 "syscalls, tracepoints")
      ->type_name("LIST")
      ->delimiter(',')
      ->group("Probes");
}

Result<EventFilter> parse_events(const std::vector<std::string>& events) {
  EventFilter filter;
  filter.everything = events.empty();
  std::vector<std::string> known = {"epoll", "io", "thread", "syscalls", "tracepoints"};
  const auto select = [&](std::string_view word) {
    bool hit = false;
    std::size_t i = 0;
#define NETPOLL_SYSCALL(name, class_)                                                       \
  {                                                                                         \
    const std::string_view row = #name, klass = #class_;                                    \
    const bool epoll = klass == "wait" || klass == "ctl" || klass == "create";              \
    if (word == row || word == klass || word == "syscalls" || (word == "epoll" && epoll)) { \
      filter.syscalls[i] = hit = true;                                                      \
    }                                                                                       \
    known.emplace_back(row);                                                                \
    ++i;                                                                                    \
  }
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
    for (std::size_t tp = 0; tp < trace::kTpCount; ++tp) {
      const std::string_view row = trace::tracepoints()[tp].name;
      if (word == row || word == "tracepoints") filter.tracepoints[tp] = hit = true;
      known.emplace_back(row);
    }
    return hit;
  };
  for (const std::string& word : events) {
    if (!select(word)) return unknown("event", word, known);
  }
  return filter;
}

Result<std::optional<std::chrono::nanoseconds>> optional_duration(const std::string& text, std::string_view flag) {
  if (text.empty()) return std::optional<std::chrono::nanoseconds>();
  auto value = parse_duration(text, flag);
  if (!value) return value.error();
  return std::optional(*value);
}

Result<std::optional<std::uint64_t>> optional_count(const std::string& text, std::string_view flag) {
  if (text.empty()) return std::optional<std::uint64_t>();
  auto value = parse_count(text, flag);
  if (!value) return value.error();
  return std::optional(*value);
}

Result<std::optional<std::uint64_t>> optional_size(const std::string& text, std::string_view flag) {
  if (text.empty()) return std::optional<std::uint64_t>();
  auto value = parse_size(text, flag);
  if (!value) return value.error();
  return std::optional(*value);
}

}  // namespace netpoll::cli
