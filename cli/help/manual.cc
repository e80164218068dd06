// Lays manual pages out.
#include "cli/help/manual.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "cli/command.h"
#include "cli/config.h"
#include "cli/help/help.h"
#include "cli/help/schemas.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "cli/version.h"
#include "exporters/json.h"
#include "netpoll/trace/event.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

constexpr std::string_view kDate = "November 26, 2026";

// Text that roff takes for text: no escapes, no requests at the beginning of a line, hyphens that can be copied.
std::string plain(std::string_view text) {
  std::string out;
  bool begins = true;
  for (const char c : text) {
    if (begins && (c == '.' || c == '\'')) out += "\\&";
    begins = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

// Paragraphs, with each sentence on a line of its own.
std::string prose(std::string_view text) {
  std::string out;
  bool gap = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view paragraph = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (paragraph.empty()) {
      gap = true;
      continue;
    }
    if (!out.empty() || gap) out += ".Pp\n";
    gap = false;
    while (!paragraph.empty()) {
      std::size_t stop = paragraph.find(". ");
      stop = stop == std::string_view::npos ? paragraph.size() : stop + 1;
      out += plain(paragraph.substr(0, stop)) + "\n";
      paragraph.remove_prefix(std::min(stop + 1, paragraph.size()));
    }
  }
  return out;
}

// One argument of a macro, whatever is in it.
std::string macro_argument(std::string_view text) {
  std::string out = "\"\\&";
  for (const char c : plain(text)) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string head(const std::string& name, int section, std::string_view summary) {
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  return ".\\\" Made by netpoll-trace __man; see man/CMakeLists.txt.\n.Dd " + std::string(kDate) + "\n.Dt " + upper +
         " " + std::to_string(section) + "\n.Os\n.Sh NAME\n.Nm " + name + "\n.Nd " + plain(summary) + "\n";
}

std::string literal(std::string_view text, std::string_view prompt) {
  std::string out = ".Bd -literal -offset indent\n";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += plain(prompt) + plain(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + ".Ed\n";
}

// --- options

std::string option_item(const Flags::Row& row) {
  std::string out = ".It";
  for (const std::string& name : row.short_names) out += (out == ".It" ? " Fl " : " , Fl ") + name;
  for (const std::string& name : row.long_names) out += (out == ".It" ? " Fl " : " , Fl ") + ("\\-" + plain(name));
  if (!row.type.empty()) out += " Ar " + macro_argument(row.type);
  return out + "\n" + prose(row.help + ".");
}

std::string options_section(const std::vector<Flags::Row>& rows) {
  std::string out = ".Sh OPTIONS\n";
  std::vector<std::string> groups;
  for (const Flags::Row& row : rows) {
    if (std::find(groups.begin(), groups.end(), row.group) == groups.end()) groups.push_back(row.group);
  }
  for (const std::string& group : groups) {
    out += ".Ss " + plain(group) + "\n.Bl -tag -width Ds\n";
    for (const Flags::Row& row : rows) {
      if (row.group == group) out += option_item(row);
    }
    out += ".El\n";
  }
  return out;
}

std::string environment_section(const Command& command, const std::vector<Flags::Row>& rows) {
  const auto configurable = std::find_if(rows.begin(), rows.end(), is_configurable);
  if (configurable == rows.end()) return {};
  return ".Sh ENVIRONMENT\nWhat the command line does not say is taken from the environment, as\n.Ev " +
         plain(variable_of(command.name, configurable->long_names.front())) + "\nfor\n.Fl \\-" +
         plain(configurable->long_names.front()) + " ,\nelse from the configuration" +
         (&command == &gen_config_command ? ".\n" : "; see\n.Xr netpoll-trace-gen-config 1 .\n");
}

// --- the fields of a document

// Members that every document has, explained in netpoll-trace-json(7).
const std::set<std::string> kCommon = {"schema", "tool", "host", "started_at", "target", "targets", "probe"};

class Fields {
 public:
  explicit Fields(const Json& schema) : root_(schema) {}

  std::string list(const std::set<std::string>& without, const std::set<std::string>& only = {}) {
    walk_members(root_, "", without, only, 0);
    return ".Bl -tag -width Ds\n" + out_ + ".El\n";
  }

 private:
  static constexpr int kDeepest = 8;

  // What a $ref stands for, and of alternatives the one that is not null.
  const Json& resolved(const Json& node) const {
    const Json* at = &node;
    for (int i = 0; i < kDeepest; ++i) {
      if (at->contains("$ref")) {
        const std::string ref = (*at)["$ref"];
        at = &root_.at(Json::json_pointer(ref.substr(1)));
      } else if (const char* kind = at->contains("oneOf") ? "oneOf" : at->contains("anyOf") ? "anyOf" : nullptr) {
        const auto& choices = (*at)[kind];
        const auto real = std::find_if(choices.begin(), choices.end(),
                                       [](const Json& one) { return one.value("type", Json()) != "null"; });
        if (real == choices.end()) return *at;
        at = &*real;
      } else {
        break;
      }
    }
    return *at;
  }

  static bool may_be_null(const Json& node) {
    for (const char* kind : {"oneOf", "anyOf"}) {
      if (!node.contains(kind)) continue;
      for (const Json& one : node[kind]) {
        if (one.value("type", Json()) == "null") return true;
      }
    }
    const Json type = node.value("type", Json());
    return type.is_array() && std::find(type.begin(), type.end(), "null") != type.end();
  }

  std::string type_of(const Json& node) const {
    const Json& what = resolved(node);
    const Json type = what.value("type", Json());
    std::string text;
    if (what.contains("const")) {
      text = what["const"].is_string() ? what["const"].get<std::string>() : exporters::compact(what["const"]);
    } else if (what.contains("enum")) {
      for (const Json& one : what["enum"]) {
        if (!one.is_null())
          text += (text.empty() ? "" : ", ") + (one.is_string() ? one.get<std::string>() : exporters::compact(one));
      }
    } else if (type.is_string()) {
      text = type;
    } else if (type.is_array()) {
      for (const Json& one : type) {
        if (one != "null") text += (text.empty() ? "" : " or ") + one.get<std::string>();
      }
    }
    return may_be_null(node) || may_be_null(what) ? text + (text.empty() ? "null" : " or null") : text;
  }

  void item(const std::string& path, const Json& node) {
    out_ += ".It Va " + macro_argument(path);
    const std::string type = type_of(node);
    if (!type.empty()) out_ += " Pq " + macro_argument(type);
    out_ += "\n";
    const std::string here = node.value("description", std::string());
    const std::string there = resolved(node).value("description", std::string());
    if (!here.empty() || !there.empty()) out_ += prose(here.empty() ? there : here);
  }

  void walk(const Json& node, const std::string& path, int depth) {
    item(path, node);
    const Json& what = resolved(node);
    if (depth < kDeepest) walk_members(what, path, {}, {}, depth + 1);
    if (what.contains("items") && depth < kDeepest) {
      const Json& one = resolved(what["items"]);
      if (one.contains("properties")) {
        walk_members(one, path + "[]", {}, {}, depth + 1);
      }
    }
  }

  void walk_members(const Json& object, const std::string& path, const std::set<std::string>& without,
                    const std::set<std::string>& only, int depth) {
    if (object.contains("properties")) {
      // Rows of a table, one like the other: system calls, tracepoints.
      std::map<std::string, std::vector<std::string>> alike;
      for (const auto& [name, node] : object["properties"].items()) alike[exporters::compact(node)].push_back(name);
      std::set<std::string> said;
      for (const auto& [name, node] : object["properties"].items()) {
        if (without.contains(name) || (!only.empty() && !only.contains(name))) continue;
        const std::vector<std::string>& names = alike[exporters::compact(node)];
        const bool table = names.size() > 4 && resolved(node).contains("properties");
        if (!table) {
          walk(node, path + "." + name, depth);
        } else if (said.insert(names.front()).second && names.front() == name) {
          walk(node, path + ".NAME", depth);
          out_ += ".Pp\nNAME is one of: " + plain(joined(names)) + ".\n";
        }
      }
    }
    const Json more = object.value("additionalProperties", Json());
    if (more.is_object() && !more.empty()) walk(more, path + ".NAME", depth);
  }

  const Json& root_;
  std::string out_;
};

std::string json_section(const std::string& document) {
  const auto text = schema_text(document);
  if (!text) return {};
  const Json schema = exporters::parse_json(*text);
  std::string out = ".Sh JSON FIELDS\nOf the document\n.Dq netpoll\\-trace/" + plain(document) +
                    "/v1 ,\nbeside those that every document has, which\n.Xr netpoll-trace-json 7\nexplains.\n";
  if (schema.contains("oneOf") && !schema.contains("properties")) {
    // A stream: what its lines may be.
    for (const Json& line : schema["oneOf"]) {
      const Json* kind = &line;
      if (line.contains("$ref")) kind = &schema.at(Json::json_pointer(line["$ref"].get<std::string>().substr(1)));
      if (!kind->contains("properties")) continue;
      Json own = *kind;
      own["$defs"] = schema.value("$defs", Json::object());
      const Json type = own["properties"].value("type", Json::object());
      out += ".Ss A line whose type is " + plain(type.value("const", std::string("any"))) + "\n" +
             Fields(own).list(kCommon);
    }
    return out;
  }
  return out + Fields(schema).list(kCommon);
}

// --- pages

bool has_flag(const std::vector<Flags::Row>& rows, const char* name) {
  return std::any_of(rows.begin(), rows.end(), [&](const Flags::Row& row) {
    return std::find(row.long_names.begin(), row.long_names.end(), name) != row.long_names.end();
  });
}

std::string exit_section(const Command& command, const std::vector<Flags::Row>& rows) {
  std::string out = ".Sh EXIT CODES\n.Bl -tag -width Ds\n";
  const bool may_say_no = has_flag(rows, "expect") || has_flag(rows, "fail-on");
  const bool runs_program = command.takes_program && has_flag(rows, "follow-forks");
  for (const ExitCode& code : exit_codes()) {
    if (code.code == "1" && !may_say_no) continue;
    if (code.code == "4" && !has_flag(rows, "strict")) continue;
    if (code.code.starts_with("126") && !runs_program) continue;
    out += ".It " + plain(code.code) + "\n" + prose(std::string(code.meaning) + ".");
  }
  out += ".El\n";
  if (runs_program) {
    out += ".Pp\nA command otherwise passes its own exit status on, or 128 and the signal that ended it.\n";
  }
  return out;
}

std::string command_page(const Command& command) {
  Flags flags;
  command.add(flags);
  GeneralOptions general;
  add_general_options(flags, general);
  const auto rows = flags.rows();
  const std::string name(command.name);
  std::string page = head("netpoll-trace-" + name, 1, command.summary);
  page += ".Sh SYNOPSIS\n.Nm netpoll-trace\n.Cm " + plain(name) + "\n";
  if (!command.usage.empty()) page += plain(command.usage) + "\n";
  page += ".Sh DESCRIPTION\n" + prose(command.description) + options_section(rows) + environment_section(command, rows);
  page += json_section(name);
  page += exit_section(command, rows);
  if (!command.examples.empty()) page += ".Sh EXAMPLES\n" + literal(command.examples, "$ ");
  page += ".Sh SEE ALSO\n.Xr netpoll-trace 1 ,\n.Xr netpoll-trace-json 7 ,\n.Xr netpoll-tracepoints 7\n";
  return page;
}

std::string tracepoints_page() {
  std::string page = head("netpoll-tracepoints", 7, "the tracepoints of libruntime");
  page +=
      ".Sh DESCRIPTION\n"
      "A program that is linked with libruntime has a USDT probe of the provider\n.Dq netpoll\n"
      "for each step of its poller and scheduler.\nNothing is computed while nobody listens: each has a semaphore.\n"
      "The same events are kept in a ring for each P, which\n.Xr netpoll-trace-trace 1\nreads without privileges.\n"
      "Numbers are 64 bits wide; times are nanoseconds of\n.Dv CLOCK_MONOTONIC .\n.Va pd\nis the index of a poll "
      "descriptor, 0 for none;\n.Va fd\nis \\-1 for none;\n.Va mode\nis 0 for read and 1 for write.\n"
      ".Bl -tag -width Ds\n";
  for (const trace::TpInfo& row : trace::tracepoints()) {
    page += ".It Cm " + plain(row.name);
    for (std::size_t i = 0; i < row.argc; ++i) page += " Ar " + plain(row.args[i]);
    page += "\n" + prose(std::string(row.meaning) + ".");
  }
  page += ".El\n.Sh EXAMPLES\nWith other tools:\n" +
          literal(
              "bpftrace -p PID -e 'usdt:*:netpoll:park { @[arg4] = count(); }'\n"
              "perf buildid-cache --add ./server && perf record -e 'sdt_netpoll:*' -p PID\n"
              "readelf -n ./server",
              "$ ") +
          ".Sh SEE ALSO\n.Xr netpoll-trace 1 ,\n.Xr netpoll-trace-trace 1 ,\n.Xr netpoll-trace-json 7\n";
  return page;
}

std::string json_page() {
  std::string page = head("netpoll-trace-json", 7, "the JSON documents of netpoll\\-trace");
  page +=
      ".Sh DESCRIPTION\n"
      "A result is one document\n.Pq Fl \\-json ;\n"
      "a stream is a line of JSON for each event\n.Pq Fl f Cm ndjson :\n"
      "the first has the type\n.Dq meta ,\nthe last the type\n.Dq end ,\nwith totals and losses.\n"
      "A stream without its end was cut off.\n"
      ".Pp\n"
      "Units are in names\n.Pq _ns , _bytes , per_op ;\n"
      "times are whole nanoseconds, and addresses and ids of more than 53 bits are strings.\n"
      "What is unknown is null and never 0.\n"
      "A field keeps its name and meaning within a version of its schema; others may come.\n"
      "A path here is what\n.Xr jq 1\ntakes, with NAME for any member.\n"
      ".Sh COMMON FIELDS\n";
  const Json schema = exporters::parse_json(schema_text("stat").value_or("{}"));
  page += Fields(schema).list({}, kCommon);
  page +=
      ".Sh DOCUMENTS\nTheir own fields stand in the pages of their commands, except those of graph, which\n"
      ".Ql netpoll\\-trace snapshot \\-\\-graph\nmakes.\nThe JSON Schema (2020\\-12) of each is printed by\n"
      ".Ql netpoll\\-trace help schema NAME\nand installed as files.\n.Bl -tag -width Ds\n";
  for (const std::string& name : schema_names()) {
    const Json one = exporters::parse_json(schema_text(name).value_or("{}"));
    page += ".It " + plain("netpoll-trace/" + name + "/v1") + "\n" + prose(one.value("title", name) + ".");
  }
  page += ".El\n";
  const Json graph = exporters::parse_json(schema_text("graph").value_or("{}"));
  page += ".Sh THE GRAPH\n" + Fields(graph).list(kCommon);
  page += ".Sh SEE ALSO\n.Xr jq 1 ,\n.Xr netpoll-trace 1\n";
  return page;
}

}  // namespace

std::optional<std::string> manual_page(std::string_view name) {
  if (name == "tracepoints") return tracepoints_page();
  if (name == "json") return json_page();
  const Command* command = find_command(name);
  return command != nullptr ? std::optional(command_page(*command)) : std::nullopt;
}

}  // namespace netpoll::cli
