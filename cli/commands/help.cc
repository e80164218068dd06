// help: the manual in pieces.
#include <memory>

#include "cli/command.h"
#include "cli/emit.h"
#include "cli/help/help.h"
#include "cli/help/schemas.h"
#include "cli/spell.h"

namespace netpoll::cli {
namespace {

Result<std::string> schema_named(const std::vector<std::string>& words) {
  if (words.size() < 2) {
    return Error(ErrorKind::kInvalid, "help schema needs the name of a document")
        .with_hint("one of: " + joined(schema_names()));
  }
  if (auto text = schema_text(words[1])) return std::move(*text);
  return Error(ErrorKind::kInvalid, "there is no schema \"" + words[1] + "\"")
      .with_hint(did_you_mean(words[1], schema_names(), "one of: " + joined(schema_names())));
}

std::vector<std::string> known_words() {
  std::vector<std::string> known = command_names();
  for (const std::string& topic : topics()) known.push_back(topic);
  known.emplace_back("schema");
  return known;
}

Result<std::string> text_for(const std::vector<std::string>& words) {
  if (words.empty()) return overview();
  if (words[0] == "schema") return schema_named(words);
  if (words.size() > 1) {
    return Error(ErrorKind::kInvalid, "help takes one command or topic, not " + std::to_string(words.size()))
        .with_hint("help " + words[0]);
  }
  if (const Command* command = find_command(words[0])) return command_help(*command);
  if (auto text = topic_help(words[0])) return *text;
  const std::vector<std::string> known = known_words();
  return Error(ErrorKind::kInvalid, "there is no help on \"" + words[0] + "\"")
      .with_hint(did_you_mean(words[0], known, "one of: " + joined(known)));
}

Action add(Flags& flags) {
  auto words = std::make_shared<std::vector<std::string>>();
  flags.positionals("topic", *words, known_words());
  return [words](Invocation&) -> Result<ExitStatus> {
    auto text = text_for(*words);
    if (!text) return text.error();
    if (auto written = print(*text); !written) return std::move(written).error();
    return ExitStatus::kDone;
  };
}

}  // namespace

const Command help_command{
    .name = "help",
    .summary = "explains a command, a topic, or a JSON document",
    .usage = "[COMMAND | TOPIC | schema NAME]",
    .description =
        "Prints the help of a command, a page on a topic (exit-codes, units, workloads, tracepoints, budget), or the "
        "JSON Schema of a document.",
    .examples = "netpoll-trace help run\nnetpoll-trace help exit-codes\nnetpoll-trace help schema run",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
