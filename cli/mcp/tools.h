// Tools: what `mcp` offers to a model's client. Each is one of our commands with JSON output and nothing that changes a
// target: a row says which words of the command line its arguments become, and its JSON Schema follows from the row.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/json_fwd.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// How an argument is written in JSON and what becomes of it on the command line.
enum class ParameterKind {
  kInteger,  // --flag=N, from least to most
  kSeconds,  // a number, --flag=Nms
  kText,     // --flag=TEXT
  kTexts,    // a list of texts, --flag=TEXT for each
  kSwitch,   // --flag
  kFiles,    // a list of paths, positional; after "--" where there is a list before
};

struct Parameter {
  std::string_view name;
  ParameterKind kind;
  std::string_view flag;  // empty: positional, or not for the command (limit)
  std::string_view description;
  double least = 0;
  double most = 0;
  bool required = false;
  double otherwise = -1;  // what a number is that is not given; negative: absent
};

struct Tool {
  std::string_view name;
  std::string_view title;
  std::string_view description;
  std::string_view words;  // the command, and the flags that it always gets
  std::span<const Parameter> parameters;
  // "pid" and "comm" are parameters, of which exactly one is to be given.
  bool needs_target = false;
};

// In the order of tools/list.
std::span<const Tool> tools();
const Tool* find_tool(std::string_view name);

// The row for tools/list: name, title, description, inputSchema, annotations.
exporters::Json describe(const Tool& tool);

// How many elements of a list the answer to a call may have.
std::size_t limit_of(const exporters::Json& arguments);

// The words after the program's name. arguments must be an object. kInvalid names the argument that is wrong, and no
// value can become a flag or a second word.
Result<std::vector<std::string>> command_line(const Tool& tool, const exporters::Json& arguments);

}  // namespace netpoll::cli
