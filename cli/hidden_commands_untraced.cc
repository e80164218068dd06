// What the tool runs as when it starts itself, where nothing looks into the kernel.
#include "cli/command.h"
#include "cli/workload/workload.h"

namespace netpoll::cli {
namespace {

constexpr HiddenCommand kHidden[] = {
    {"__serve", workload::serve_main},
    {"__load", workload::load_main},
};

}  // namespace

std::span<const HiddenCommand> hidden_commands() { return kHidden; }

}  // namespace netpoll::cli
