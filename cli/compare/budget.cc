// Reads budgets with toml++, which knows the line and column of everything.
#include "cli/compare/budget.h"

#include <array>
#include <cmath>

#include "cli/compare/figures.h"
#include "cli/compare/input.h"
#include "cli/spell.h"
#include "cli/toml.h"
#include "cli/units.h"

namespace netpoll::cli {
namespace {

using Against = Condition::Against;

struct Key {
  std::string_view name;
  bool upwards;
  Against against;
};
constexpr std::array<Key, 6> kKeys{{
    {"max", true, Against::kValue},
    {"max_increase", true, Against::kDifference},
    {"max_increase_pct", true, Against::kPercent},
    {"min", false, Against::kValue},
    {"max_decrease", false, Against::kDifference},
    {"max_decrease_pct", false, Against::kPercent},
}};
// The text with a '?' for each character that is not ASCII, so that lines and columns stay. Nothing of a budget needs
// one but its comments, and toml++ 3.3 runs into code that it calls unreachable where one stands between two tokens.
std::string in_ascii(std::string_view text) {
  constexpr std::string_view kBom = "\xef\xbb\xbf";
  if (text.starts_with(kBom)) text.remove_prefix(kBom.size());
  std::string ascii;
  ascii.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xc0U) == 0x80;  // a character that has its '?' already
    if (!continues) ascii += byte < 0x80 ? c : '?';
  }
  return ascii;
}

constexpr std::string_view kHint =
    "[limits.\"syscalls.epoll_ctl.per_op\"] with max, max_increase, max_increase_pct = 2";

class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  Result<std::vector<Limit>> read(std::string_view text) const {
    const toml::parse_result parsed = toml::parse(in_ascii(text), name_);
    if (!parsed) return invalid(parsed.error().source(), std::string(parsed.error().description()));
    const toml::table& root = parsed.table();
    if (auto version = check_version(root); !version) return version.error();
    const toml::table* limits = nullptr;
    for (const auto& [key, node] : root) {
      if (key == "version") continue;
      if (key != "limits") return unknown_key(key, {"version", "limits"});
      limits = node.as_table();
      if (limits == nullptr) return invalid(key.source(), "limits is no table");
    }
    std::vector<Limit> all;
    if (limits == nullptr || limits->empty()) {
      return Error(ErrorKind::kInvalid, name_ + " has no limits").with_hint(std::string(kHint));
    }
    for (const auto& [path, node] : *limits) {
      const toml::table* rows = node.as_table();
      if (rows == nullptr) return invalid(path.source(), "limits." + std::string(path.str()) + " is no table");
      if (auto added = add(path, *rows, all); !added) return added.error();
    }
    return all;
  }

 private:
  Error invalid(const toml::source_region& where, const std::string& what) const {
    return Error(ErrorKind::kInvalid, name_ + ":" + std::to_string(where.begin.line) + ":" +
                                          std::to_string(where.begin.column) + ": " + what)
        .with_hint(std::string(kHint));
  }

  Error unknown_key(const toml::key& key, const std::vector<std::string>& known) const {
    return invalid(key.source(), "unknown key \"" + std::string(key.str()) + "\"")
        .with_hint(did_you_mean(key.str(), known, "one of: " + joined(known)));
  }

  Result<void> check_version(const toml::table& root) const {
    const toml::node* node = root.get("version");
    if (node == nullptr) {
      return Error(ErrorKind::kInvalid, name_ + " does not say which version of budgets it is")
          .with_hint("begin it with: version = " + std::to_string(kBudgetVersion));
    }
    const auto version = node->value_exact<std::int64_t>();
    if (!version || *version < 1) return invalid(node->source(), "version is no positive whole number");
    if (*version > kBudgetVersion) {
      return invalid(node->source(), "budgets of version " + std::to_string(*version) + " are newer than this program")
          .with_hint("it reads version " + std::to_string(kBudgetVersion));
    }
    return {};
  }

  // A number, or a text with a unit.
  Result<double> amount(const toml::node& node, const toml::key& key, const std::string& path, Against against) const {
    std::optional<double> value;
    if (node.is_number()) value = node.value<double>();
    if (const auto text = node.value_exact<std::string>(); text && against != Against::kPercent) {
      const auto parsed = parse_condition(path + " > " + *text, "limit");
      if (!parsed || parsed->against != Against::kValue) {
        return invalid(node.source(), std::string(key.str()) + " = \"" + *text + "\" is no amount of " + path);
      }
      value = parsed->limit;
    }
    if (!value) return invalid(node.source(), std::string(key.str()) + " is no number");
    if (std::isnan(*value)) return invalid(node.source(), std::string(key.str()) + " is not a number (nan)");
    if (std::isinf(*value)) return invalid(node.source(), std::string(key.str()) + " is infinite");
    if (*value < 0) return invalid(node.source(), std::string(key.str()) + " is negative");
    return *value;
  }

  Result<void> add(const toml::key& path, const toml::table& rows, std::vector<Limit>& all) const {
    const std::string name(path.str());
    if (name.empty() || name.find_first_of(" \t<>=!") != std::string::npos) {
      return invalid(path.source(), "\"" + name + "\" is no path of a figure");
    }
    std::array<Limit, 2> sides;  // downwards, upwards
    for (const auto& [key, node] : rows) {
      const Key* row = nullptr;
      std::vector<std::string> known;
      for (const Key& candidate : kKeys) {
        known.emplace_back(candidate.name);
        if (candidate.name == key.str()) row = &candidate;
      }
      if (row == nullptr) return unknown_key(key, known);
      const auto value = amount(node, key, name, row->against);
      if (!value) return value.error();
      add_condition(sides.at(row->upwards ? 1 : 0), name, *row, *value);
    }
    if (rows.empty()) return invalid(path.source(), "limits." + name + " sets no limit");
    for (Limit& limit : sides) {
      if (limit.all.empty()) continue;
      limit.source = {name_, path.source().begin.line, path.source().begin.column};
      all.push_back(std::move(limit));
    }
    return {};
  }

  static void add_condition(Limit& limit, const std::string& path, const Key& row, double value) {
    Condition condition;
    condition.path = limit.path = path;
    condition.op = row.upwards ? Condition::Op::kGreater : Condition::Op::kLess;
    condition.against = row.against;
    const bool change = row.against != Against::kValue;
    condition.limit = change && !row.upwards ? -value : value;
    condition.text = std::string(row.upwards ? "> " : "< ") + (change ? (row.upwards ? "+" : "-") : "") +
                     exporters::compact(number_json(value)) + (row.against == Against::kPercent ? "%" : "");
    limit.text += (limit.all.empty() ? path + " " : " and ") + condition.text;
    limit.all.push_back(std::move(condition));
  }

  std::string name_;
};

}  // namespace

Result<std::vector<Limit>> parse_budget(std::string_view text, const std::string& name) {
  return Reader(name).read(text);
}

Result<std::vector<Limit>> read_budget(const std::string& path) {
  const auto text = read_text(path, "a budget is TOML; netpoll-trace help budget shows one");
  if (!text) return text.error();
  return parse_budget(*text, path);
}

}  // namespace netpoll::cli
