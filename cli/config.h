// Config: what flags are when the command line does not name them: from the environment, else from a file (TOML).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// Whether a flag may stand in a configuration: not those that say whom to look at or which file to write this once.
bool is_configurable(const Flags::Row& row);

// The variable of a flag: NETPOLL_TRACE_RUN_POLL_MODE; of one that every command has (--color): NETPOLL_TRACE_COLOR.
std::string variable_of(std::string_view command, std::string_view flag);

// The file: $NETPOLL_TRACE_CONFIG (empty: none), else netpoll-trace/config.toml in the first of configuration_folders()
// that has one (host.h). Empty: there is none.
std::string config_path();

class Config {
 public:
  // For one command, whose flags are rows. No file is no error; kInvalid, with line and column, for one that is no
  // TOML, or has a key or a value that the command does not know in [command] or before the first table.
  static Result<Config> load(std::string_view command, const std::vector<Flags::Row>& rows);

  // Of the flag with this long name, from the environment, else the file; an empty value counts as none.
  std::optional<std::vector<std::string>> value(const std::string& flag) const;

 private:
  std::string command_;
  std::map<std::string, std::vector<std::string>> file_;
  std::map<std::string, bool> known_;  // configurable flags -> whether every command has it
};

}  // namespace netpoll::cli
