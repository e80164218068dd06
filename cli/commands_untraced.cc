// The subcommands where nothing looks into the kernel: those that need nothing of it but its clocks and the memory of
// others.
#include "cli/command.h"

namespace netpoll::cli {
namespace {

constexpr const Command* kCommands[] = {&run_command,    &snapshot_command,   &compare_command,
                                        &doctor_command, &gen_config_command, &help_command};

}  // namespace

std::span<const Command* const> commands() { return kCommands; }

}  // namespace netpoll::cli
