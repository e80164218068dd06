// gen-config: a configuration with everything that may be in it, all of it commented out.
#include <string>

#include "cli/command.h"
#include "cli/config.h"
#include "cli/emit.h"
#include "cli/options.h"

namespace netpoll::cli {
namespace {

constexpr std::string_view kHead =
    "# The configuration of netpoll-trace (TOML). A flag on the command line beats the environment, and that beats this\n"
    "# file. It is read from the file that NETPOLL_TRACE_CONFIG names (empty: from none), else from\n"
    "# netpoll-trace/config.toml in $XDG_CONFIG_HOME or ~/.config, else from /etc/netpoll-trace/config.toml; on Windows\n"
    "# from netpoll-trace\\config.toml in %APPDATA%.\n"
    "#\n"
    "# The environment has a variable for each: NETPOLL_TRACE_RUN_POLL_MODE is poll-mode in [run], NETPOLL_TRACE_COLOR is\n"
    "# color. A value that is empty, or false, is none: the flag is then what it is without configuration.\n";

std::string entry(const Flags::Row& row) {
  std::string text = "\n# " + row.help;
  if (!row.type.empty() && row.choices.empty()) text += " (" + row.type + ")";
  text += "\n#" + row.long_names.front() + " = ";
  return text + (row.type.empty() ? "false" : row.list ? "[]" : "\"\"") + "\n";
}

std::string configuration() {
  std::string text(kHead);
  {
    Flags flags;
    GeneralOptions general;
    add_general_options(flags, general);
    for (const Flags::Row& row : flags.rows()) {
      if (is_configurable(row)) text += entry(row);
    }
  }
  for (const Command* command : commands()) {
    Flags flags;
    command->add(flags);
    std::string entries;
    for (const Flags::Row& row : flags.rows()) {
      if (is_configurable(row)) entries += entry(row);
    }
    if (!entries.empty()) text += "\n[" + std::string(command->name) + "]\n" + entries.substr(1);
  }
  return text;
}

Action add(Flags& /*flags*/) {
  return [](Invocation&) -> Result<ExitStatus> {
    if (auto written = print(configuration()); !written) return std::move(written).error();
    return ExitStatus::kDone;
  };
}

}  // namespace

const Command gen_config_command{
    .name = "gen-config",
    .summary = "prints a commented configuration, to be kept as a file",
    .usage = "",
    .description =
        "Prints every flag that a configuration may hold, by command, commented out, with its help (TOML). What is in "
        "the file holds for each call that does not say otherwise: flags beat the environment, and that beats the file.\n\n"
        "The file is netpoll-trace/config.toml in $XDG_CONFIG_HOME or ~/.config, else in /etc; on Windows it is "
        "netpoll-trace\\config.toml in %APPDATA%. NETPOLL_TRACE_CONFIG names another.",
    .examples =
        "netpoll-trace gen-config > ~/.config/netpoll-trace/config.toml\n"
        "netpoll-trace.exe gen-config > %APPDATA%\\netpoll-trace\\config.toml",
    .add = add,
};

}  // namespace netpoll::cli
