// The cheapest that could be: BPF programs that do nothing.
#pragma once

#include <memory>

#include "probes/source.h"

namespace netpoll::bench {

// Attaches empty programs at the exit of system calls and, when options.latency is set, at their entry; counts nothing.
// Null where BPF cannot be used.
std::unique_ptr<probes::Source> make_floor_source(const probes::SourceOptions& options);

}  // namespace netpoll::bench
