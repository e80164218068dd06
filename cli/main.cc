// netpoll-trace: finds the command, parses its flags, runs it, turns its Error into an exit status.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <span>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "cli/version.h"
#include "cli/workload/workload.h"
#include "exporters/destination.h"

namespace netpoll::cli {
namespace {

int fail(Log& log, const Error& error) {
  log.error(error);
  return static_cast<int>(exit_status_of(error));
}

int print(Log& log, const std::string& text) {
  auto out = exporters::Destination::open("");
  if (!out) return fail(log, out.error());
  if (auto written = out->write(text); !written) return fail(log, written.error());
  return static_cast<int>(ExitStatus::kDone);
}

// The long and short spellings that app knows.
std::vector<std::string> known_flags(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

// What CLI11 could not place: the first unknown flag, else the first word too many.
std::optional<Error> left_over(const CLI::App& app, const Command& command) {
  const std::vector<std::string> words = app.remaining();
  if (words.empty()) return std::nullopt;
  const std::string help = "netpoll-trace help " + std::string(command.name) + " lists the flags";
  for (const std::string& word : words) {
    if (word.size() < 2 || word[0] != '-') continue;
    const std::string flag = word.substr(0, word.find('='));
    return Error(ErrorKind::kInvalid, "unknown flag " + flag).with_hint(did_you_mean(flag, known_flags(app), help));
  }
  Error error(ErrorKind::kInvalid, "unexpected argument \"" + words[0] + "\"");
  if (command.takes_program) {
    return std::move(error).with_hint("a command to run follows two dashes: netpoll-trace " +
                                      std::string(command.name) + " [options] -- " + joined(words, " "));
  }
  return std::move(error).with_hint("usage: netpoll-trace " + std::string(command.name) + " " +
                                    std::string(command.usage));
}

Error parse_failure(const CLI::ParseError& failure, const Command& command) {
  std::string what = failure.what();
  const std::string help = "netpoll-trace help " + std::string(command.name) + " shows how it is used";
  if (const auto* mismatch = dynamic_cast<const CLI::ArgumentMismatch*>(&failure)) {
    // "--conns: 1 required TEXT missing" and relatives.
    const auto colon = what.find(':');
    if (colon != std::string::npos && what.find("required") != std::string::npos)
      what = what.substr(0, colon) + " needs a value";
    (void)mismatch;
  }
  return Error(ErrorKind::kInvalid, what).with_hint(help);
}

int run_command(const Command& command, const std::vector<std::string>& words, std::vector<std::string> program,
                bool has_program, Log& log) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  const Action action = command.add(app);
  GeneralOptions general;
  add_general_options(app, general);
  bool help = false;
  app.add_flag("-h,--help", help, "Show this help");

  std::optional<Error> error;
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them from the back
  } catch (const CLI::ParseError& failure) {
    error = parse_failure(failure, command);
  }
  if (help) return print(log, command_help(command));
  const auto color = parse_color(general.color);
  log.configure(general.quiet, general.verbose, color.value_or(ColorChoice::kAuto));
  if (auto unknown = left_over(app, command)) return fail(log, *unknown);
  if (error) return fail(log, *error);
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
    if (hidden == "__serve") return workload::serve_main(args.subspan(2));
    if (hidden == "__load") return workload::load_main(args.subspan(2));
  }
  std::vector<std::string> words(args.begin() + (args.empty() ? 0 : 1), args.end());
  if (words.empty()) {
    log.error("no command was given", "netpoll-trace help lists them; try: netpoll-trace run echo");
    return static_cast<int>(ExitStatus::kUsage);
  }
  const std::string name = words.front();
  if (name == "-h" || name == "--help") return print(log, overview());
  if (name == "-V" || name == "--version")
    return print(log, std::string(kToolName) + " " + std::string(version()) + "\n");

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
  netpoll::cli::Log log;
  try {
    return netpoll::cli::dispatch({argv, static_cast<std::size_t>(argc)}, log);
  } catch (const std::exception& failure) {
    // Only a failed allocation or a bug of ours ends here.
    log.error(failure.what());
    return static_cast<int>(netpoll::cli::ExitStatus::kCannot);
  }
}
