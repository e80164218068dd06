// The table of tools, their schemas, and how arguments become a command line.
#include "cli/mcp/tools.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

constexpr double kDefaultLimit = 20;
constexpr double kMostLimit = 200;
constexpr const char* kLimitText = "At most this many elements of each list (20)";
constexpr double kMostPid = 1 << 22;  // proc_pid_max(5): PID_MAX_LIMIT on 64-bit systems
constexpr double kMostFd = 1 << 30;   // NR_OPEN cannot be set higher (linux fs/file.c, sysctl_nr_open_max)
constexpr std::size_t kMostFiles = 100;

constexpr Parameter kPid{"pid", ParameterKind::kInteger, "--pid", "Process id", 1, kMostPid};
constexpr Parameter kComm{"comm", ParameterKind::kText, "--comm", "Every process with this name (/proc/PID/comm)"};
constexpr Parameter kLimit{"limit", ParameterKind::kInteger, "", kLimitText, 1, kMostLimit, false, kDefaultLimit};
constexpr Parameter kTop{"limit", ParameterKind::kInteger, "--top", kLimitText, 1, kMostLimit, false, kDefaultLimit};
constexpr Parameter kDuration{"seconds", ParameterKind::kSeconds, "--duration", "How long to look (2)", 0.05, 60, false,
                              2};

constexpr Parameter kSnapshot[] = {
    kPid,
    kComm,
    {"all", ParameterKind::kSwitch, "--all", "Goroutines in whatever state, not only in IO wait"},
    {"min_wait", ParameterKind::kText, "--min-wait", "Waiting at least this long, as 500ms or 30s"},
    {"fd", ParameterKind::kInteger, "--fd", "Waiting for this descriptor", 0, kMostFd},
    {"peer", ParameterKind::kText, "--peer", "Whose peer's address contains this"},
    {"local", ParameterKind::kText, "--local", "Whose own address contains this"},
    {"state", ParameterKind::kText, "--state", "In this TCP state, wait reason or status, as CLOSE_WAIT"},
    {"func", ParameterKind::kText, "--func", "With this in a function of its stack, or its creator"},
    {"label", ParameterKind::kTexts, "--label", "With these labels, as key or key=value"},
    {"no_deadline", ParameterKind::kSwitch, "--no-deadline", "In an IO wait that no deadline bounds"},
    kTop,
};
constexpr Parameter kGroups[] = {
    kPid,
    kComm,
    {"group_by", ParameterKind::kText, "--group-by", "stack, peer, fd, func, state, or label:KEY", 0, 0, true},
    {"all", ParameterKind::kSwitch, "--all", "Goroutines in whatever state, not only in IO wait"},
    {"min_wait", ParameterKind::kText, "--min-wait", "Waiting at least this long, as 500ms or 30s"},
    kTop,
};
constexpr Parameter kGraph[] = {kPid, kComm, kLimit};
constexpr Parameter kSummary[] = {kPid, kComm, kTop};
constexpr Parameter kStat[] = {
    kPid,
    kComm,
    kDuration,
    {"events", ParameterKind::kText, "--event", "Only these: calls, tracepoints, or the groups epoll, io, thread"},
    {"per", ParameterKind::kText, "--per", "Figures per call of this system call, or per this number of operations"},
    {"per_process", ParameterKind::kSwitch, "--per-process", "Also figures of each process"},
    {"per_thread", ParameterKind::kSwitch, "--per-thread", "Also figures of each thread"},
    {"per_fd", ParameterKind::kSwitch, "--per-fd", "Also figures of each descriptor, with its address"},
    {"follow_forks", ParameterKind::kSwitch, "--follow-forks", "Child processes too"},
    kLimit,
};
constexpr Parameter kEpoll[] = {
    kPid,
    kComm,
    {"fd", ParameterKind::kInteger, "--fd", "Only registrations of this descriptor", 0, kMostFd},
    kLimit,
};
constexpr Parameter kCompare[] = {
    {"base", ParameterKind::kFiles, "", "Paths of results before the change", 1, 0, true},
    {"head", ParameterKind::kFiles, "", "Paths of results after it", 1, 0, true},
    {"fail_on", ParameterKind::kTexts, "--fail-on", "Conditions, as syscalls.epoll_ctl.per_op > +2%"},
    kLimit,
};
constexpr Parameter kDoctor[] = {kPid, kLimit};

constexpr Tool kTools[] = {
    {"waiting_goroutines", "Goroutines that wait",
     "The goroutines of a running Go or libruntime program that wait longest for the network: descriptor, direction, "
     "peer, TCP state, wait time, deadline, labels and stack. Reads the process's memory; it is not stopped.",
     "snapshot --json", kSnapshot, true},
    {"goroutine_summary", "What is wrong with a program's goroutines",
     "What a person on call reads first: findings, the largest groups of waiting goroutines by stack and by peer, the "
     "longest waits.",
     "snapshot --json --summary", kSummary, true},
    {"goroutine_groups", "Waiting goroutines, counted",
     "Counts goroutines by stack, peer, descriptor, function, state or label, largest group first.", "snapshot --json",
     kGroups, true},
    {"wait_graph", "Who waits for whom",
     "Follows each waiting goroutine to the process and goroutine at the other end of its connection; names cycles.",
     "snapshot --json --graph --follow", kGraph, true},
    {"poller_calls", "System calls around the poller",
     "Counts and times epoll_wait, epoll_ctl and the I/O calls around them in a running process for some seconds. May "
     "need privileges; the target runs on at nearly its own speed.",
     "stat --json", kStat, true},
    {"epoll_registrations", "Interest sets and what is wrong with them",
     "What a process has registered with epoll, and findings with evidence and fix: descriptors closed or reused, "
     "blocking, always writable, unread data. From /proc alone.",
     "epoll --json", kEpoll, true},
    {"compare_results", "Compare measurements",
     "Compares results of `netpoll-trace run` or `stat` stored in files: figures that changed, and verdicts.",
     "compare --json", kCompare},
    {"doctor", "What can be observed here",
     "What this machine, this user and (with pid) a process allow, and the command that would fix what is missing.",
     "doctor --json", kDoctor},
};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

Json schema_of_parameter(const Parameter& parameter) {
  Json schema{{"description", parameter.description}};
  switch (parameter.kind) {
    case ParameterKind::kInteger:
    case ParameterKind::kSeconds:
      schema["type"] = parameter.kind == ParameterKind::kInteger ? "integer" : "number";
      schema["minimum"] = parameter.least;
      schema["maximum"] = parameter.most;
      if (parameter.kind == ParameterKind::kInteger) {
        schema["minimum"] = static_cast<std::int64_t>(parameter.least);
        schema["maximum"] = static_cast<std::int64_t>(parameter.most);
      }
      break;
    case ParameterKind::kText:
      schema["type"] = "string";
      break;
    case ParameterKind::kSwitch:
      schema["type"] = "boolean";
      break;
    case ParameterKind::kTexts:
    case ParameterKind::kFiles:
      schema["type"] = "array";
      schema["items"] = {{"type", "string"}};
      schema["minItems"] = parameter.required ? 1 : 0;
      schema["maxItems"] = kMostFiles;
      break;
  }
  return schema;
}

Error wrong(const Parameter& parameter, const std::string& why) {
  return Error(ErrorKind::kInvalid, "argument \"" + std::string(parameter.name) + "\" " + why);
}

// A text that may stand in a command line. NUL would end it early.
Result<std::string> text_of(const Parameter& parameter, const Json& value) {
  if (!value.is_string()) return wrong(parameter, "is not a text");
  std::string text = value.get<std::string>();
  if (text.empty()) return wrong(parameter, "is empty");
  if (text.find('\0') != std::string::npos) return wrong(parameter, "contains a NUL");
  return text;
}

Result<double> number_of(const Parameter& parameter, const Json& value) {
  if (!value.is_number()) return wrong(parameter, "is not a number");
  const double number = value.get<double>();
  if (parameter.kind == ParameterKind::kInteger && number != std::floor(number)) {
    return wrong(parameter, "is not a whole number");
  }
  if (!(number >= parameter.least && number <= parameter.most)) {
    std::ostringstream range;
    range << "is not from " << parameter.least << " to " << static_cast<std::int64_t>(parameter.most);
    return wrong(parameter, range.str());
  }
  return number;
}

struct Words {
  std::vector<std::string> flags;
  std::vector<std::vector<std::string>> files;  // each list of paths
};

Result<void> add_list(const Parameter& parameter, const Json& value, Words& words) {
  if (!value.is_array()) return wrong(parameter, "is not a list");
  if (parameter.required && value.empty()) return wrong(parameter, "is an empty list");
  if (value.size() > kMostFiles) return wrong(parameter, "has more than " + std::to_string(kMostFiles) + " elements");
  std::vector<std::string> paths;
  for (const Json& element : value) {
    auto text = text_of(parameter, element);
    if (!text) return std::move(text).error();
    if (parameter.kind == ParameterKind::kTexts) {
      words.flags.push_back(std::string(parameter.flag) + "=" + *text);
    } else {
      paths.push_back(text->starts_with('-') ? "./" + *text : *text);
    }
  }
  if (parameter.kind == ParameterKind::kFiles) words.files.push_back(std::move(paths));
  return {};
}

Result<void> add_words(const Parameter& parameter, const Json& value, Words& words) {
  const std::string flag(parameter.flag);
  switch (parameter.kind) {
    case ParameterKind::kInteger:
    case ParameterKind::kSeconds: {
      auto number = number_of(parameter, value);
      if (!number) return std::move(number).error();
      if (flag.empty()) return {};
      const bool seconds = parameter.kind == ParameterKind::kSeconds;
      const auto whole = static_cast<std::int64_t>(seconds ? *number * 1000 : *number);
      words.flags.push_back(flag + "=" + std::to_string(whole) + (seconds ? "ms" : ""));
      return {};
    }
    case ParameterKind::kText: {
      auto text = text_of(parameter, value);
      if (!text) return std::move(text).error();
      words.flags.push_back(flag + "=" + *text);
      return {};
    }
    case ParameterKind::kSwitch:
      if (!value.is_boolean()) return wrong(parameter, "is neither true nor false");
      if (value.get<bool>()) words.flags.push_back(flag);
      return {};
    case ParameterKind::kTexts:
    case ParameterKind::kFiles:
      return add_list(parameter, value, words);
  }
  return {};
}

const Parameter* find_parameter(const Tool& tool, std::string_view name) {
  const auto found = std::find_if(tool.parameters.begin(), tool.parameters.end(),
                                  [&](const Parameter& parameter) { return parameter.name == name; });
  return found == tool.parameters.end() ? nullptr : &*found;
}

}  // namespace

std::span<const Tool> tools() { return kTools; }

const Tool* find_tool(std::string_view name) {
  for (const Tool& tool : kTools) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

Json describe(const Tool& tool) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Parameter& parameter : tool.parameters) {
    properties[std::string(parameter.name)] = schema_of_parameter(parameter);
    if (parameter.required) required.push_back(parameter.name);
  }
  Json schema{{"type", "object"},
              {"properties", std::move(properties)},
              {"required", std::move(required)},
              {"additionalProperties", false}};
  return {{"name", tool.name},
          {"title", tool.title},
          {"description", std::string(tool.description) + (tool.needs_target ? " Give either pid or comm." : "")},
          {"inputSchema", std::move(schema)},
          {"annotations", {{"title", tool.title}, {"readOnlyHint", true}, {"openWorldHint", false}}}};
}

std::size_t limit_of(const Json& arguments) {
  const auto limit = arguments.find("limit");
  return limit == arguments.end() ? static_cast<std::size_t>(kDefaultLimit) : limit->get<std::size_t>();
}

Result<std::vector<std::string>> command_line(const Tool& tool, const Json& arguments) {
  for (const auto& [name, value] : arguments.items()) {
    if (find_parameter(tool, name) == nullptr) {
      return Error(ErrorKind::kInvalid, std::string(tool.name) + " has no argument \"" + name + "\"");
    }
  }
  if (tool.needs_target && arguments.contains("pid") == arguments.contains("comm")) {
    return Error(ErrorKind::kInvalid, "give either pid or comm");
  }

  Words words;
  for (const Parameter& parameter : tool.parameters) {
    const auto given = arguments.find(parameter.name);
    const bool absent = given == arguments.end();
    if (absent && parameter.required) return wrong(parameter, "is missing");
    if (absent && parameter.otherwise < 0) continue;
    if (auto added = add_words(parameter, absent ? Json(parameter.otherwise) : *given, words); !added) {
      return std::move(added).error();
    }
  }

  std::vector<std::string> line = split(tool.words, ' ');
  for (std::string& flag : words.flags) line.push_back(std::move(flag));
  for (std::size_t i = 0; i < words.files.size(); ++i) {
    if (i > 0) line.emplace_back("--");  // compare BASE... -- HEAD...
    for (std::string& path : words.files[i]) line.push_back(std::move(path));
  }
  return line;
}

}  // namespace netpoll::cli
