// Finds candidates in the table of commands, their flags, and /proc.
#include "cli/help/complete.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/process_list.h"
#include "exporters/text.h"
#include "probes/process/proc_status.h"

namespace netpoll::cli {
namespace {

// What begins with `typed`, each behind `before`.
class Answer {
 public:
  Answer(std::string typed, std::string before) : typed_(std::move(typed)), before_(std::move(before)) {}

  void offer(const std::string& word, std::string_view what = {}) {
    if (!word.starts_with(typed_)) return;
    text_ += before_ + word + "\t" + exporters::printable(what) + "\n";
  }
  std::string text() const { return "words\n" + text_; }

 private:
  std::string typed_;
  std::string before_;
  std::string text_;
};

std::string offer_commands(const std::string& typed) {
  Answer answer(typed, "");
  for (const Command* command : commands()) answer.offer(std::string(command->name), command->summary);
  answer.offer("--version", "the version of this program");
  answer.offer("--help", "what there is");
  return answer.text();
}

std::string offer_flags(const std::vector<Flags::Row>& rows, const std::string& typed) {
  Answer answer(typed, "");
  for (const Flags::Row& row : rows) {
    for (const std::string& name : row.long_names) answer.offer("--" + name, row.help);
    for (const std::string& name : row.short_names) answer.offer("-" + name, row.help);
  }
  return answer.text();
}

const Flags::Row* find_flag(const std::vector<Flags::Row>& rows, std::string_view word) {
  const auto is_named = [&](const Flags::Row& row) {
    const auto matches = [&](const std::vector<std::string>& names, std::string_view dashes) {
      return word.starts_with(dashes) &&
             std::find(names.begin(), names.end(), word.substr(dashes.size())) != names.end();
    };
    return matches(row.long_names, "--") || matches(row.short_names, "-");
  };
  const auto row = std::find_if(rows.begin(), rows.end(), is_named);
  return row == rows.end() ? nullptr : &*row;
}

// The value of a flag; before: what of the word stands in front of it.
std::string offer_values(const Flags::Row& flag, std::string typed, std::string before) {
  if (flag.list) {
    const auto comma = typed.rfind(',');
    if (comma != std::string::npos) {
      before += typed.substr(0, comma + 1);
      typed.erase(0, comma + 1);
    }
  }
  Answer answer(typed, before);
  for (const std::string& choice : flag.choices) answer.offer(choice);
  if (flag.type == "FILE" || flag.type == "DUMP" || flag.type == "PATH") return "files\n";
  if (flag.type == "DIR") return "dirs\n";
  if (flag.type == "PID") {
    for (const pid_t pid : processes()) answer.offer(std::to_string(pid), probes::comm_of(pid));
  }
  if (flag.long_names == std::vector<std::string>{"comm"}) {
    for (const std::string& name : process_names()) answer.offer(name);
  }
  return answer.text();
}

}  // namespace

std::string completions(const std::vector<std::string>& words) {
  const std::string typed = words.empty() ? "" : words.back();
  if (words.size() < 2) return offer_commands(typed);
  const Command* command = find_command(words.front());
  if (command == nullptr) return "words\n";
  Flags flags;
  command->add(flags);
  GeneralOptions general;
  add_general_options(flags, general);
  const std::vector<Flags::Row> rows = flags.rows();
  const auto& arguments = flags.positional_choices();

  const auto last = words.end() - 1;
  if (std::find(words.begin() + 1, last, "--") != last) return arguments ? "files\n" : "command\n";
  if (typed == "=") {
    const Flags::Row* flag = find_flag(rows, *(last - 1));
    return flag != nullptr ? offer_values(*flag, "", "") : "words\n";
  }
  if (words.size() > 3 && *(last - 1) == "=") {
    const Flags::Row* flag = find_flag(rows, *(last - 2));
    return flag != nullptr ? offer_values(*flag, typed, "") : "words\n";
  }
  if (const Flags::Row* flag = find_flag(rows, *(last - 1)); flag != nullptr && !flag->type.empty()) {
    return offer_values(*flag, typed, "");
  }
  if (const auto equals = typed.find('='); typed.starts_with("--") && equals != std::string::npos) {
    const Flags::Row* flag = find_flag(rows, typed.substr(0, equals));
    return flag != nullptr ? offer_values(*flag, typed.substr(equals + 1), typed.substr(0, equals + 1)) : "words\n";
  }
  if (typed.starts_with('-') || !arguments) return offer_flags(rows, typed);
  if (arguments->empty()) return "files\n";
  Answer answer(typed, "");
  for (const std::string& choice : *arguments) answer.offer(choice);
  return answer.text();
}

}  // namespace netpoll::cli
