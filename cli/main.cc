// netpoll-trace: finds the command, parses its flags, runs it, turns its Error into an exit status.
#include <algorithm>
#include <exception>
#include <span>

#include "cli/command.h"
#include "cli/config.h"
#include "cli/emit.h"
#include "cli/help/help.h"
#include "cli/help/manual.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "cli/system/host.h"
#include "cli/version.h"

namespace netpoll::cli {
namespace {

int fail(Log& log, const Error& error) {
  log.error(error);
  return static_cast<int>(exit_status_of(error));
}

int say(Log& log, const std::string& text) {
  if (auto written = print(text); !written) return fail(log, written.error());
  return static_cast<int>(ExitStatus::kDone);
}

int run_command(const Command& command, const std::vector<std::string>& words, std::vector<std::string> program,
                bool has_program, Log& log) {
  Flags flags;
  const Action action = command.add(flags);
  GeneralOptions general;
  add_general_options(flags, general);
  const auto config = Config::load(command.name, flags.rows());
  Flags::Defaults defaults;
  // --json is a format: one that is configured does not contradict it.
  const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  if (config) {
    defaults = [&config, json](const std::string& flag) {
      return json && flag == "format" ? std::nullopt : config->value(flag);
    };
  }
  const std::string usage = "netpoll-trace " + std::string(command.name) + " " + std::string(command.usage);
  const auto parsed = flags.parse(words, "usage: " + usage,
                                  "netpoll-trace help " + std::string(command.name) + " lists the flags", defaults);
  if (general.help) return say(log, command_help(command));
  const auto color = parse_color(general.color);
  log.configure(general.quiet, general.verbose, color.value_or(ColorChoice::kAuto));
  if (!parsed) return fail(log, parsed.error());
  if (!config) return fail(log, config.error());
  if (!color) return fail(log, color.error());
  if (has_program && !command.takes_program) {
    return fail(log,
                Error(ErrorKind::kInvalid, std::string(command.name) + " does not run a command")
                    .with_hint("usage: netpoll-trace " + std::string(command.name) + " " + std::string(command.usage)));
  }

  auto interrupt = Interrupt::install();
  if (!interrupt) return fail(log, interrupt.error());
  Invocation invocation{log, *interrupt, *color, std::move(program)};
  const auto status = action(invocation);
  log.clear_progress();
  if (!status) return fail(log, status.error());
  return static_cast<int>(*status);
}

int dispatch(std::span<char*> args, Log& log) {
  if (args.size() > 1) {
    const std::string_view hidden = args[1];
    for (const HiddenCommand& row : hidden_commands()) {
      if (hidden == row.name) return row.main(args.subspan(2));
    }
    if (hidden == "__man" && args.size() == 3) return say(log, manual_page(args[2]).value_or(""));
  }
  std::vector<std::string> words(args.begin() + (args.empty() ? 0 : 1), args.end());
  if (words.empty()) {
    log.error("no command was given", "netpoll-trace help lists them; try: netpoll-trace run echo");
    return static_cast<int>(ExitStatus::kUsage);
  }
  const std::string name = words.front();
  if (name == "-h" || name == "--help") return say(log, overview());
  if (name == "-V" || name == "--version")
    return say(log, std::string(kToolName) + " " + std::string(version()) + "\n");

  const Command* command = find_command(name);
  if (command == nullptr) {
    const bool flag = name.starts_with('-');
    const std::string list = "one of: " + joined(command_names());
    return fail(log,
                Error(ErrorKind::kInvalid, (flag ? "unknown flag " : "unknown command ") + ("\"" + name + "\""))
                    .with_hint(flag ? "flags follow the command; " + list : did_you_mean(name, command_names(), list)));
  }
  // Everything after the first "--" belongs to CMD, whatever it looks like, so it never meets our parser.
  const auto dashes = std::find(words.begin() + 1, words.end(), "--");
  const bool has_program = dashes != words.end();
  std::vector<std::string> program(has_program ? dashes + 1 : words.end(), words.end());
  words.erase(dashes, words.end());
  words.erase(words.begin());
  return run_command(*command, words, std::move(program), has_program, log);
}

}  // namespace
}  // namespace netpoll::cli

int main(int argc, char** argv) {
  netpoll::cli::reserve_standard_streams();
  netpoll::cli::Log log;
  try {
    std::vector<std::string> words = netpoll::cli::program_arguments(argc, argv);
    std::vector<char*> args;
    args.reserve(words.size());
    for (std::string& word : words) args.push_back(word.data());
    return netpoll::cli::dispatch(args, log);
  } catch (const std::exception& failure) {
    // Only a failed allocation or a bug of ours ends here.
    log.error(failure.what());
    return static_cast<int>(netpoll::cli::ExitStatus::kCannot);
  }
}
