// The table of subcommands.
#include "cli/command.h"

namespace netpoll::cli {
namespace {

constexpr const Command* kCommands[] = {
#define NETPOLL_COMMAND(name) &name##_command,
#include "cli/commands.def"
#undef NETPOLL_COMMAND
};

}  // namespace

std::span<const Command* const> commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  for (const Command* command : kCommands) {
    if (command->name == name) return command;
  }
  return nullptr;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command* command : kCommands) names.emplace_back(command->name);
  return names;
}

}  // namespace netpoll::cli
