// The files that a process or core runs, as libruntime's symbols want to have them.
#pragma once

#include <cstdint>
#include <optional>

#include "libruntime/symbols/code_map.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// The file that is mapped at address, as the target sees it. Nothing for memory without a file, and for a file that was
// replaced on disk since it was started.
std::optional<symbols::Image> image_at(Subject& subject, std::uint64_t address);

}  // namespace netpoll::probes
