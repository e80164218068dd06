// Help texts, made from the table of commands and their flags so that they cannot disagree with what is accepted.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace netpoll::cli {

std::string overview();
std::string command_help(const Command& command);

// The exit statuses, as they are documented: "126, 127".
struct ExitCode {
  std::string_view code;
  std::string_view meaning;
};
std::span<const ExitCode> exit_codes();

// Pages beside the commands: "exit-codes", "units", "workloads", "tracepoints".
std::vector<std::string> topics();
std::optional<std::string> topic_help(std::string_view topic);

}  // namespace netpoll::cli
