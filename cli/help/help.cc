// Lays help texts out: overview, commands, topics.
#include "cli/help/help.h"

#include <algorithm>
#include <array>

#include "cli/options.h"
#include "cli/version.h"
#include "cli/workload/workload.h"
#include "exporters/table.h"
#include "netpoll/trace/event.h"

namespace netpoll::cli {
namespace {

constexpr std::size_t kWidth = 100;

// Breaks text at blanks. Every line starts at column indent; the first one is already there.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = indent;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (column > indent && column + 1 + word.size() > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

// "  term      text", the text hanging at its column, or on the next line under a long term.
std::string item(const std::string& term, std::string_view text, std::size_t column) {
  std::string out = "  " + term;
  if (out.size() + 2 > column) {
    out += "\n" + std::string(column, ' ');
  } else {
    out += std::string(column - out.size(), ' ');
  }
  return out + wrapped(text, column) + "\n";
}

std::string paragraphs(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += wrapped(text.substr(0, end), 0) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string flag_term(const Flags::Row& row) {
  std::string term;
  for (const std::string& name : row.short_names) term += (term.empty() ? "-" : ", -") + name;
  for (const std::string& name : row.long_names) term += (term.empty() ? "    --" : ", --") + name;
  return row.type.empty() ? term : term + " " + row.type;
}

std::string flag_list(const Flags& flags) {
  const auto rows = flags.rows();
  std::vector<std::string> groups;
  for (const Flags::Row& row : rows) {
    if (std::find(groups.begin(), groups.end(), row.group) == groups.end()) groups.push_back(row.group);
  }
  std::string out;
  for (const std::string& group : groups) {
    out += "\n" + group + ":\n";
    for (const Flags::Row& row : rows) {
      if (row.group == group) out += item(flag_term(row), row.help, 28);
    }
  }
  return out;
}

constexpr std::array<ExitCode, 7> kExitCodes{{
    {"0", "done"},
    {"1", "the answer is \"no\": compare found a regression, run --expect was not met"},
    {"2", "the command line or an input file is wrong"},
    {"3", "cannot: permission, kernel feature, target gone or unsupported; a hint says what would help"},
    {"4", "done, but the data is incomplete (events lost, snapshot truncated) and --strict was given"},
    {"126, 127", "of stat -- CMD: CMD cannot be executed, or is not found"},
    {"130, 143", "interrupted by SIGINT or SIGTERM; what was collected so far is still printed"},
}};

std::string exit_code_page() {
  std::string out = "Exit codes of netpoll-trace:\n\n";
  for (const ExitCode& row : kExitCodes) out += item(std::string(row.code), row.meaning, 12);
  return out + "\n" +
         paragraphs(
             "stat -- CMD otherwise ends with CMD's own exit status, or 128 and the signal that ended it, after the "
             "result has been written; with 0 when -d ended CMD.");
}

std::string units() {
  return "Durations are numbers with a unit: ns us ms s m h. 500ms, 1.5s, 1m30s.\n"
         "Sizes are bytes, or numbers with k M G (1000) or Ki Mi Gi (1024). 16k, 64Ki.\n"
         "Counts may end in k or M. 100k is 100000.\n";
}

std::string workload_list() {
  std::string out = "Workloads of netpoll-trace run:\n\n";
  for (const workload::Workload& row : workload::workloads()) {
    out += item(std::string(row.name), row.summary, 14);
    std::string defaults =
        "an operation is " + std::string(row.operation) + "; " + std::to_string(row.conns) + " connections";
    if (row.driver() == workload::Driver::kSelf) defaults += " or pairs, driven by the server itself";
    out += std::string(14, ' ') + wrapped(defaults, 14) + "\n";
    std::string accepted;
    for (std::uint32_t bit = 1; bit <= workload::kLoadCpu; bit <<= 1) {
      if ((row.options & bit) == 0) continue;
      accepted +=
          (accepted.empty() ? "" : " ") + std::string(workload::option_flag(static_cast<workload::Option>(bit)));
    }
    out += std::string(14, ' ') + wrapped(accepted, 14) + "\n";
  }
  return out +
         "\nEvery workload checks each byte it receives, and takes --poll-mode, --trigger, --poller, --procs and "
         "--stack.\n";
}

std::string tracepoint_list() {
  std::string out = "Tracepoints of libruntime (USDT provider netpoll):\n\n";
  for (const trace::TpInfo& row : trace::tracepoints()) {
    std::string term = std::string(row.name) + "(";
    for (std::size_t i = 0; i < row.argc; ++i) term += (i == 0 ? "" : ", ") + std::string(row.args[i]);
    out += item(term + ")", row.meaning, 42);
  }
  return out;
}

std::string budget() {
  return "A budget is a file of limits for compare --budget, under version control beside the code (TOML):\n"
         "\n"
         "  version = 1\n"
         "\n"
         "  [limits.\"syscalls.epoll_ctl.per_op\"]\n"
         "  max = 0.02               # the head's own value, in the unit of the path\n"
         "\n"
         "  [limits.\"latency_ns.p99\"]\n"
         "  max_increase = \"200us\"   # over the base, in the unit of the path\n"
         "  max_increase_pct = 10    # over the base, in percent\n"
         "\n"
         "  [limits.operations_per_s]\n"
         "  max_decrease_pct = 5\n"
         "\n" +
         paragraphs(
             "The keys are max, max_increase and max_increase_pct, and min, max_decrease and max_decrease_pct. Where "
             "several of one direction are given, all must be exceeded: neither two calls more of ten nor 0.1 % of a "
             "million raise the alarm. Times may be written as \"5ms\", sizes as \"64Ki\".");
}

struct Topic {
  std::string_view name;
  std::string_view summary;
  std::string (*text)();
};
constexpr std::array<Topic, 5> kTopics{{
    {"exit-codes", "what the exit status says", exit_code_page},
    {"units", "how durations, sizes and counts are written", units},
    {"workloads", "what run can run", workload_list},
    {"tracepoints", "the events that libruntime reports", tracepoint_list},
    {"budget", "limits in a file, for compare --budget", budget},
}};

}  // namespace

std::span<const ExitCode> exit_codes() { return kExitCodes; }

std::string overview() {
  std::string out =
      "netpoll-trace: watches network pollers at work: epoll, and the goroutines that wait for it.\n"
      "\n"
      "Usage: netpoll-trace COMMAND [options]\n"
      "\n"
      "Commands:\n";
  for (const Command* command : commands()) out += item(std::string(command->name), command->summary, 14);
  out += "\nMore help:\n";
  out += item("help COMMAND", "a command and all its options; also COMMAND --help", 22);
  for (const Topic& topic : kTopics) out += item("help " + std::string(topic.name), topic.summary, 22);
  out += item("help schema NAME", "the JSON Schema of a document", 22);
  out += item("--version", "the version of this program", 22);
  out += "\nResults go to standard output, everything else to standard error.\n";
  return out;
}

std::string command_help(const Command& command) {
  Flags flags;
  command.add(flags);
  GeneralOptions general;
  add_general_options(flags, general);

  std::string out = "Usage: netpoll-trace " + std::string(command.name);
  if (!command.usage.empty()) out += " " + std::string(command.usage);
  out += "\n\n" + paragraphs(command.description) + flag_list(flags);
  if (!command.examples.empty()) {
    out += "\nExamples:\n";
    std::string_view rest = command.examples;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      out += "  " + std::string(rest.substr(0, end)) + "\n";
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return out;
}

std::vector<std::string> topics() {
  std::vector<std::string> names;
  for (const Topic& topic : kTopics) names.emplace_back(topic.name);
  return names;
}

std::optional<std::string> topic_help(std::string_view name) {
  for (const Topic& topic : kTopics) {
    if (topic.name == name) return topic.text();
  }
  return std::nullopt;
}

}  // namespace netpoll::cli
