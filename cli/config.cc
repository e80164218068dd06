// Reads the configuration with toml++, which knows the line and column of everything.
#include "cli/config.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <span>

#include "cli/command.h"
#include "cli/spell.h"
#include "cli/system/file_path.h"
#include "cli/system/host.h"
#include "cli/system/input_file.h"
#include "cli/toml.h"
#include "libruntime/base/system.h"

namespace netpoll::cli {
namespace {

constexpr const char* kHint = "netpoll-trace gen-config prints one with everything that may be in it";

// Of add_general_options().
bool is_general(const Flags::Row& row) { return row.group == "Messages"; }

// An empty variable is one that is not set.
std::string variable(const std::string& name) { return environment_variable(name).value_or(""); }

class Reader {
 public:
  Reader(std::string path, std::string_view command, const std::map<std::string, bool>& known)
      : path_(std::move(path)), command_(command), known_(known) {}

  Result<std::map<std::string, std::vector<std::string>>> read(std::string_view text) {
    const toml::parse_result parsed = toml::parse(text, path_);
    if (!parsed) return invalid(parsed.error().source(), std::string(parsed.error().description()));
    for (const auto& [key, node] : parsed.table()) {
      if (node.is_table()) continue;
      if (auto added = add(key, node, /*general=*/true); !added) return added.error();
    }
    for (const auto& [key, node] : parsed.table()) {
      if (!node.is_table()) continue;
      if (find_command(key.str()) == nullptr) return unknown(key, command_names());
      if (key.str() != command_) continue;
      for (const auto& [flag, value] : *node.as_table()) {
        if (auto added = add(flag, value, /*general=*/false); !added) return added.error();
      }
    }
    return std::move(values_);
  }

 private:
  Error invalid(const toml::source_region& at, const std::string& what) const {
    return Error(ErrorKind::kInvalid,
                 path_ + ":" + std::to_string(at.begin.line) + ":" + std::to_string(at.begin.column) + ": " + what)
        .with_hint(kHint);
  }

  Error unknown(const toml::key& key, const std::vector<std::string>& known) const {
    return invalid(key.source(), "unknown key \"" + std::string(key.str()) + "\"")
        .with_hint(did_you_mean(std::string(key.str()), known, kHint));
  }

  static std::optional<std::string> text_of(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* on = node.as_boolean()) return std::string(on->get() ? "true" : "");
    return std::nullopt;
  }

  Result<void> add(const toml::key& key, const toml::node& node, bool general) {
    const std::string name(key.str());
    const auto found = known_.find(name);
    if (found == known_.end() || (general && !found->second)) {
      std::vector<std::string> names;
      for (const auto& [flag, everywhere] : known_) {
        if (!general || everywhere) names.push_back(flag);
      }
      return unknown(key, names);
    }
    std::vector<std::string> values;
    const auto take = [&](const toml::node& one) {
      const auto text = text_of(one);
      if (text && !text->empty()) values.push_back(*text);
      return text.has_value();
    };
    bool good = true;
    if (const toml::array* array = node.as_array()) {
      for (const toml::node& one : *array) good = good && take(one);
    } else {
      good = take(node);
    }
    if (!good)
      return invalid(node.source(), name + " is neither text, a whole number, true or false, nor a list of them");
    values_[name] = std::move(values);
    return {};
  }

  std::string path_;
  std::string_view command_;
  const std::map<std::string, bool>& known_;
  std::map<std::string, std::vector<std::string>> values_;
};

Result<std::string> text_of(const std::string& path) {
  constexpr std::size_t kLargest = 1 << 20;
  const auto failed = [&](int err) {
    return Error(ErrorKind::kInvalid, "cannot read the configuration " + path + ": " + base::errno_text(err))
        .with_hint("NETPOLL_TRACE_CONFIG=" + std::string(null_device()) + " goes without one");
  };
  InputFile file;
  if (const int err = file.open(path); err != 0) return failed(err);
  std::string text(kLargest + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const std::int64_t n = file.read(std::span(text).subspan(size));
    if (n < 0) return failed(static_cast<int>(-n));
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > kLargest) {
    return Error(ErrorKind::kInvalid, "the configuration " + path + " is larger than 1 MiB").with_hint(kHint);
  }
  text.resize(size);
  return text;
}

}  // namespace

bool is_configurable(const Flags::Row& row) {
  if (row.long_names.empty() || row.group == "Target" || row.type == "FILE" || row.type == "DIR") return false;
  const std::string& name = row.long_names.front();
  return name != "help" && name != "json";  // json: the same as format
}

std::string variable_of(std::string_view command, std::string_view flag) {
  std::string name = "NETPOLL_TRACE_";
  if (!command.empty()) name.append(command).append("_");
  name.append(flag);
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::string config_path() {
  if (const auto named = environment_variable("NETPOLL_TRACE_CONFIG")) return *named;
  for (const std::string& folder : configuration_folders()) {
    std::filesystem::path path = file_path(folder + "/netpoll-trace/config.toml");
    std::error_code ignored;
    // A relative folder would be another one for each working directory; the XDG specification has it ignored.
    if (!path.is_absolute() || !std::filesystem::exists(path, ignored)) continue;
    const std::u8string name = path.make_preferred().u8string();
    return {name.begin(), name.end()};
  }
  return {};
}

Result<Config> Config::load(std::string_view command, const std::vector<Flags::Row>& rows) {
  Config config;
  config.command_ = command;
  for (const Flags::Row& row : rows) {
    if (is_configurable(row)) config.known_[row.long_names.front()] = is_general(row);
  }
  const std::string path = config_path();
  if (path.empty()) return config;
  const auto text = text_of(path);
  if (!text) return text.error();
  auto values = Reader(path, command, config.known_).read(*text);
  if (!values) return std::move(values).error();
  config.file_ = std::move(*values);
  return config;
}

std::optional<std::vector<std::string>> Config::value(const std::string& flag) const {
  const auto known = known_.find(flag);
  if (known == known_.end()) return std::nullopt;
  std::string text = variable(variable_of(command_, flag));
  if (text.empty() && known->second) text = variable(variable_of("", flag));
  if (!text.empty()) return std::vector{text};
  const auto found = file_.find(flag);
  if (found == file_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

}  // namespace netpoll::cli
