// The subcommands on Linux: all of them.
#include "cli/claims/lab.h"
#include "cli/command.h"
#include "cli/emit.h"
#include "cli/help/complete.h"
#include "cli/workload/workload.h"

namespace netpoll::cli {
namespace {

constexpr const Command* kCommands[] = {
#define NETPOLL_COMMAND(name) &name##_command,
#include "cli/commands.def"
#undef NETPOLL_COMMAND
};

int complete_main(std::span<char*> words) {
  const auto written = print(completions({words.begin(), words.end()}));
  if (written) return static_cast<int>(ExitStatus::kDone);
  Log().error(written.error());
  return static_cast<int>(exit_status_of(written.error()));
}

constexpr HiddenCommand kHidden[] = {
    {"__serve", workload::serve_main},
    {"__load", workload::load_main},
    {"__claim", claim_main},
    {"__complete", complete_main},
};

}  // namespace

std::span<const Command* const> commands() { return kCommands; }
std::span<const HiddenCommand> hidden_commands() { return kHidden; }

}  // namespace netpoll::cli
