#include "cli/command.h"

#include <array>

namespace netpoll::cli {
namespace {

constexpr std::array kCommands{
    &kRunCommand, &kStatCommand, &kSnapshotCommand, &kCompareCommand, &kDoctorCommand, &kHelpCommand,
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
