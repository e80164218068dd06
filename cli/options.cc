// The shared flags: their declarations, their checks, and what they stand for.
#include "cli/options.h"

#include <algorithm>

#include "cli/spell.h"
#include "cli/units.h"
#include "netpoll/trace/event.h"

namespace netpoll::cli {
namespace {

Error unknown(std::string_view kind, const std::string& word, const std::vector<std::string>& known) {
  return Error(ErrorKind::kInvalid, "unknown " + std::string(kind) + " \"" + word + "\"")
      .with_hint(did_you_mean(word, known, "one of: " + joined(known)));
}

// Groups, system calls and tracepoints, for -e.
std::vector<std::string> event_names() {
  std::vector<std::string> names = {"epoll", "io", "thread", "syscalls", "tracepoints", "uring"};
  for (std::size_t i = 0; i < probes::kSyscallCount; ++i) {
    names.emplace_back(probes::syscall_name(static_cast<probes::Syscall>(i)));
  }
  for (const trace::TpInfo& row : trace::tracepoints()) names.emplace_back(row.name);
  for (std::size_t opcode = 0; opcode < probes::kNamedUringOps; ++opcode) {
    names.emplace_back(probes::uring_event_name(opcode));
  }
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
  flags.on_off("--json", options.json,
               {group, "",
                content == exporters::Content::kStream ? "JSON: lines of it, as -f ndjson; of --summary one document"
                                                       : "The same as -f json"});
  flags.text("-o,--output", options.path, {group, "FILE", "Write to FILE, which appears once it is complete"});
  if (strict_too) flags.on_off("--strict", options.strict, {group, "", "Exit with 4 when data was lost"});
}

void add_pager_option(Flags& flags, OutputOptions& options) {
  flags.on_off("--no-pager", options.no_pager, {"Output", "", "No pager for a table that is longer than the screen"});
}

void add_save_option(Flags& flags, OutputOptions& options) {
  flags.text("--save", options.save, {"Output", "FILE", "Write the result as JSON to FILE as well"});
}

void add_backend_option(Flags& flags, std::string& backend, const std::vector<std::string>& choices) {
  const std::string first = joined({choices.begin(), choices.end() - 1});
  flags.text("--backend", backend, {"Probes", "NAME", "How to observe: " + first + " or " + choices.back(), choices});
}

Result<probes::Backend> parse_backend_option(const std::string& text, const std::vector<std::string>& choices) {
  if (const auto backend = probes::parse_backend(text)) return *backend;
  return unknown("back end", text, choices);
}

void add_event_option(Flags& flags, std::vector<std::string>& events) {
  flags.list(
      "-e,--event", events, /*separate=*/true,
      {"Probes", "LIST",
       "Show only these: system calls, tracepoints, or the groups epoll, io, thread, syscalls, tracepoints, uring",
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
    for (std::size_t opcode = 0; opcode < probes::kUringOps; ++opcode) {
      if (word == probes::uring_event_name(opcode) || word == "uring") filter.uring[opcode] = hit = true;
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
