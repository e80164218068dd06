// The subcommands where nothing looks into the kernel: those that need nothing of it but its clocks.
#include "cli/command.h"
#include "cli/workload/workload.h"

namespace netpoll::cli {
namespace {

constexpr const Command* kCommands[] = {&run_command, &compare_command, &doctor_command, &gen_config_command,
                                        &help_command};

constexpr HiddenCommand kHidden[] = {
    {"__serve", workload::serve_main},
    {"__load", workload::load_main},
};

}  // namespace

std::span<const Command* const> commands() { return kCommands; }
std::span<const HiddenCommand> hidden_commands() { return kHidden; }

}  // namespace netpoll::cli
