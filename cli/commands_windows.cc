// The subcommands on Windows, where nothing looks into the kernel, but the memory of others can be read.
#include "cli/command.h"
#include "cli/workload/workload.h"

namespace netpoll::cli {
namespace {

constexpr const Command* kCommands[] = {&run_command,    &snapshot_command,   &compare_command,
                                        &doctor_command, &gen_config_command, &help_command};

constexpr HiddenCommand kHidden[] = {
    {"__serve", workload::serve_main},
    {"__load", workload::load_main},
};

}  // namespace

std::span<const Command* const> commands() { return kCommands; }
std::span<const HiddenCommand> hidden_commands() { return kHidden; }

}  // namespace netpoll::cli
