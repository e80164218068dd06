// Options: the flags that several commands share, declared once, checked once.
#pragma once

#include <sys/types.h>

#include <array>
#include <bitset>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"
#include "cli/log.h"
#include "exporters/destination.h"
#include "exporters/exporter.h"
#include "netpoll/result.h"
#include "probes/process/cgroups.h"
#include "probes/source.h"

namespace netpoll::cli {

// Every flag arrives as the text that the user typed and is parsed by units.h, so that all mistakes read alike. Lists
// of names arrive split at commas.

// -q -v --color -h: every command has them.
struct GeneralOptions {
  bool quiet = false;
  bool verbose = false;
  std::string color = "auto";
  bool help = false;
};
void add_general_options(Flags& flags, GeneralOptions& options);
Result<ColorChoice> parse_color(const std::string& text);

// -f --json -o --save --strict --no-pager: commands with a result have them. What becomes of them is in emit.h.
struct OutputOptions {
  std::string format;  // empty: not given
  bool json = false;
  std::string path;  // empty: the standard stream
  exporters::Destination::Standard standard = exporters::Destination::Standard::kOutput;
  std::string save;  // the JSON document beside it, so that one run leaves a table to read and a file to compare with
  bool strict = false;
  bool no_pager = false;
};
// content: what the command has to show, and so which formats there are. strict_too: its data can be incomplete.
void add_output_options(Flags& flags, OutputOptions& options, exporters::Content content, bool strict_too);
// --no-pager, for commands that offer one.
void add_pager_option(Flags& flags, OutputOptions& options);
void add_save_option(Flags& flags, OutputOptions& options);
// -p --comm: whom to look at.
struct ProcessOptions {
  std::vector<std::string> pids;
  std::string comm;
};
void add_process_options(Flags& flags, ProcessOptions& options, bool several);
// The pids named, checked to exist, without repetition. Fails with kInvalid when a number is malformed, kNotFound when
// nobody has it or the name, kNotSupported when a kernel thread has. Empty when neither flag was given.
Result<std::vector<pid_t>> find_processes(const ProcessOptions& options);

// --cgroup --container --pod: whoever is in and below these cgroups, now and later.
struct CgroupOptions {
  std::vector<std::string> cgroups;
  std::vector<std::string> containers;
  std::vector<std::string> pods;

  bool given() const { return !cgroups.empty() || !containers.empty() || !pods.empty(); }
};
void add_cgroup_options(Flags& flags, CgroupOptions& options);
// The cgroups named, each once, at most probes::kMaxCgroups. Fails as find_cgroup() and its relatives do.
Result<std::vector<probes::Cgroup>> find_cgroups(const CgroupOptions& options);

// That there is exactly one kind of target: processes, cgroups or a program.
Result<void> check_targets(std::string_view command, const ProcessOptions& process, const CgroupOptions& cgroup,
                           const std::vector<std::string>& program);

// What --backend may say where a command counts on this system; the first is "auto".
const std::vector<std::string>& counting_backends();
// --backend NAME, one of choices.
void add_backend_option(Flags& flags, std::string& backend, const std::vector<std::string>& choices);
// Any back end's name: whether it can do what is asked is for the probes to say. choices are for the hint.
Result<probes::Backend> parse_backend_option(const std::string& text, const std::vector<std::string>& choices);

// Which system calls and tracepoints to show, from -e: names, and the groups epoll, io, thread, syscalls, tracepoints.
struct EventFilter {
  bool everything = true;
  std::array<bool, probes::kSyscallCount> syscalls{};
  std::array<bool, trace::kTpCount> tracepoints{};
  std::bitset<probes::kUringOps> uring;  // operations of io_uring

  bool shows(probes::Syscall syscall) const { return everything || syscalls[static_cast<std::size_t>(syscall)]; }
  // Nothing: all of them.
  std::optional<std::bitset<probes::kSyscallCount>> only_syscalls() const;
  bool shows_uring(std::size_t opcode) const { return everything || uring.test(opcode); }
  bool shows(trace::Tp tp) const { return everything || tracepoints[static_cast<std::size_t>(tp)]; }
};
void add_event_option(Flags& flags, std::vector<std::string>& events);
Result<EventFilter> parse_events(const std::vector<std::string>& events);

// Parses text when it is not empty.
Result<std::optional<std::chrono::nanoseconds>> optional_duration(const std::string& text, std::string_view flag);

}  // namespace netpoll::cli
