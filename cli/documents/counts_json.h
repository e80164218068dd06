// Counts as the members .syscalls, .poll, .derived, .io_uring, .socket_calls and .tracepoints of `run` and `stat`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/documents/envelope.h"
#include "cli/options.h"
#include "exporters/json_fwd.h"
#include "probes/counts.h"

namespace netpoll::cli {

// Whether a back end sees system calls at all; where it does not, .syscalls and .poll are null.
bool sees_syscalls(probes::Backend backend);

// Sets these members. per_op is null without operations, a rate without the window in which was counted. A call that
// this architecture does not have, or that could not be counted, is null.
void put_counts(exporters::Json& document, const probes::Counts& counts, probes::Backend backend,
                std::optional<std::uint64_t> operations, std::optional<std::chrono::nanoseconds> window,
                const EventFilter& filter);

}  // namespace netpoll::cli
