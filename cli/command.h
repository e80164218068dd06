// Command: one row of the table of subcommands, and what its action gets to work with.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_status.h"
#include "cli/flags.h"
#include "cli/log.h"
#include "cli/system/interrupt.h"
#include "netpoll/result.h"

namespace netpoll::cli {

struct Invocation {
  Log& log;
  Interrupt& interrupt;
  ColorChoice color = ColorChoice::kAuto;
  std::vector<std::string> program;  // CMD ARG… after "--"
};

// Does the work. An Error is printed by main() and decides the exit status (exit_status_of); an action that printed
// its own message returns the status.
using Action = std::function<Result<ExitStatus>(Invocation&)>;

// Texts are for `help`: usage without the program and command name, description in paragraphs, examples one a line.
struct Command {
  std::string_view name;
  std::string_view summary;
  std::string_view usage;
  std::string_view description;
  std::string_view examples;
  bool takes_program = false;  // accepts -- CMD ARG…
  // Declares the flags and returns the action that uses them once they are parsed.
  Action (*add)(Flags& flags) = nullptr;
};

// Those that this system has, in the order of --help (commands.def): commands_linux.cc, commands_untraced.cc.
std::span<const Command* const> commands();
const Command* find_command(std::string_view name);
std::vector<std::string> command_names();

// What this program runs as when it starts itself; in no list. Its arguments are those behind its name.
struct HiddenCommand {
  std::string_view name;
  int (*main)(std::span<char*> args);
};
std::span<const HiddenCommand> hidden_commands();

#define NETPOLL_COMMAND(name) extern const Command name##_command;
#include "cli/commands.def"
#undef NETPOLL_COMMAND

}  // namespace netpoll::cli
