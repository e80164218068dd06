// Declares and parses flags with CLI11, and words its errors as all of ours are worded.
#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "cli/spell.h"

namespace netpoll::cli {

struct Flags::State {
  CLI::App app;
  std::map<const CLI::Option*, std::vector<std::string>> choices;
  std::optional<std::vector<std::string>> positional_choices;
};

Flags::Flags() : state_(std::make_unique<State>()) {
  state_->app.set_help_flag();
  // What CLI11 cannot place is ours to explain: it knows no "did you mean".
  state_->app.allow_extras();
}

Flags::~Flags() = default;

void Flags::text(const char* names, std::string& field, const Look& look) {
  CLI::Option* option = state_->app.add_option(names, field, look.help)->type_name(look.type)->group(look.group);
  state_->choices[option] = look.choices;
}

void Flags::on_off(const char* names, bool& field, const Look& look) {
  state_->app.add_flag(names, field, look.help)->group(look.group);
}

void Flags::list(const char* names, std::vector<std::string>& field, bool separate, const Look& look) {
  CLI::Option* option = state_->app.add_option(names, field, look.help)->type_name(look.type)->group(look.group);
  if (separate) {
    option->delimiter(',')->expected(1, 4096);
  } else {
    option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  state_->choices[option] = look.choices;
}

void Flags::positional(const char* name, std::string& field, std::vector<std::string> choices) {
  state_->app.add_option(name, field);
  state_->positional_choices = std::move(choices);
}

void Flags::positionals(const char* name, std::vector<std::string>& field, std::vector<std::string> choices) {
  state_->app.add_option(name, field);
  state_->positional_choices = std::move(choices);
}

const std::optional<std::vector<std::string>>& Flags::positional_choices() const { return state_->positional_choices; }

std::vector<Flags::Row> Flags::rows() const {
  std::vector<Row> rows;
  for (const CLI::Option* option : state_->app.get_options()) {
    if (option->get_positional()) continue;
    Row row{.short_names = option->get_snames(),
            .long_names = option->get_lnames(),
            .type = "",
            .group = option->get_group(),
            .help = option->get_description(),
            .choices = {}};
    if (option->get_items_expected_max() > 0) row.type = option->get_type_name();
    if (const auto found = state_->choices.find(option); found != state_->choices.end()) row.choices = found->second;
    row.list = option->get_delimiter() == ',';
    rows.push_back(std::move(row));
  }
  return rows;
}

// The flag that got an empty value: an unset variable of a script, more often than not. CLI11 takes "--flag=" for a
// flag whose value is the next word.
std::string Flags::flag_without_value(const std::vector<std::string>& words) const {
  for (const CLI::Option* option : state_->app.get_options()) {
    if (option->get_positional() || option->get_items_expected_max() == 0) continue;
    for (const std::string& name : option->get_lnames()) {
      if (std::find(words.begin(), words.end(), "--" + name + "=") != words.end()) return "--" + name;
    }
    for (const std::string& value : option->results()) {
      if (value.empty())
        return option->get_lnames().empty() ? "-" + option->get_snames()[0] : "--" + option->get_lnames()[0];
    }
  }
  return {};
}

Result<void> Flags::take_defaults(const Defaults& defaults) {
  for (CLI::Option* option : state_->app.get_options()) {
    if (option->get_positional() || option->get_lnames().empty() || option->count() > 0) continue;
    const std::string& name = option->get_lnames().front();
    const auto values = defaults(name);
    if (!values) continue;
    try {
      for (const std::string& value : *values) option->add_result(value);
      option->run_callback();
    } catch (const CLI::ParseError&) {
      return Error(ErrorKind::kInvalid, "the configuration's value of --" + name + " cannot be taken")
          .with_hint("netpoll-trace gen-config says what it may be");
    }
  }
  return {};
}

Result<void> Flags::parse(const std::vector<std::string>& words, const std::string& usage, const std::string& help,
                          const Defaults& defaults) {
  std::string failure;
  try {
    state_->app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them from the back
  } catch (const CLI::ArgumentMismatch& mismatch) {
    // "--conns: 1 required TEXT missing" and relatives.
    failure = mismatch.what();
    const auto colon = failure.find(':');
    if (colon != std::string::npos) failure = failure.substr(0, colon) + " needs a value";
  } catch (const CLI::ParseError& error) {
    failure = error.what();
  }

  const std::vector<std::string> rest = state_->app.remaining();
  for (const std::string& word : rest) {
    if (word.size() < 2 || word[0] != '-') continue;
    const std::string flag = word.substr(0, word.find('='));
    std::vector<std::string> known;
    for (const Row& row : rows()) {
      for (const std::string& name : row.long_names) known.push_back("--" + name);
      for (const std::string& name : row.short_names) known.push_back("-" + name);
    }
    return Error(ErrorKind::kInvalid, "unknown flag " + flag).with_hint(did_you_mean(flag, known, help));
  }
  if (const std::string flag = flag_without_value(words); !flag.empty()) failure = flag + " needs a value";
  if (!failure.empty()) return Error(ErrorKind::kInvalid, failure).with_hint(help);
  if (!rest.empty()) return Error(ErrorKind::kInvalid, "unexpected argument \"" + rest.front() + "\"").with_hint(usage);
  return defaults ? take_defaults(defaults) : Result<void>();
}

}  // namespace netpoll::cli
