// Puts the JSON Schemas together from their parts.
#include "cli/help/schemas.h"

#include <cstdlib>

#include "cli/help/schema_files.h"
#include "exporters/json.h"
#include "netpoll/trace/event.h"
#include "probes/counts.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

constexpr std::string_view kShared = "shared";

Json parse_file(std::string_view name) {
  for (const SchemaFile& file : schema_files()) {
    if (file.name == name) return exporters::parse_json(file.text);
  }
  std::abort();  // a file of our own, embedded by the build
}

Json reference_or_null(std::string_view definition) {
  return {{"oneOf", {{{"$ref", "#/$defs/" + std::string(definition)}}, {{"type", "null"}}}}};
}

std::string_view definition_of(probes::Syscall syscall) {
  const std::string_view klass = probes::syscall_class(syscall);
  if (klass == "wait" || klass == "fdset") return "wait_call";
  return klass == "ctl" ? "ctl_call" : "syscall";
}

// What cannot be written by hand, since a table has it.
Json shared_definitions() {
  Json definitions = parse_file(kShared)["$defs"];
  Json& syscalls = definitions["syscalls"]["properties"];
  for (std::size_t i = 0; i < probes::kSyscallCount; ++i) {
    const auto syscall = static_cast<probes::Syscall>(i);
    syscalls[std::string(probes::syscall_name(syscall))] = reference_or_null(definition_of(syscall));
  }
  Json& tracepoints = definitions["tracepoints"]["properties"];
  for (const trace::TpInfo& row : trace::tracepoints()) {
    tracepoints[std::string(row.name)] = reference_or_null("tracepoint");
  }
  return definitions;
}

// Adds to `used` each shared definition that node refers to, and those that these refer to.
void collect(const Json& node, const Json& shared, Json& used) {
  if (node.is_object()) {
    if (const auto reference = node.find("$ref"); reference != node.end() && reference->is_string()) {
      static constexpr std::string_view kPrefix = "#/$defs/";
      const std::string name = reference->get<std::string>().substr(kPrefix.size());
      if (!used.contains(name) && shared.contains(name)) {
        used[name] = shared[name];
        collect(shared[name], shared, used);
      }
    }
  }
  if (node.is_structured()) {
    for (const Json& child : node) collect(child, shared, used);
  }
}

}  // namespace

std::vector<std::string> schema_names() {
  std::vector<std::string> names;
  for (const SchemaFile& file : schema_files()) {
    if (file.name != kShared) names.emplace_back(file.name);
  }
  return names;
}

std::optional<std::string> schema_text(std::string_view name) {
  for (const std::string& known : schema_names()) {
    if (known != name) continue;
    Json schema = parse_file(name);
    const Json own = schema.value("$defs", Json::object());
    Json used = Json::object();
    collect(schema, shared_definitions(), used);
    used.update(own);
    schema["$defs"] = std::move(used);
    return schema.dump(2) + "\n";
  }
  return std::nullopt;
}

}  // namespace netpoll::cli
