// scan_memory: looks through a stretch of the target's memory.
#pragma once

#include <cstdint>
#include <functional>

#include "netpoll/result.h"
#include "probes/goroutines/go/image.h"
#include "probes/process/bytes.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// Calls visit with one piece of range after the other, from a multiple of 8 on, until it returns true. Each piece goes
// `overlap` bytes into the next, so that what is no longer lies whole in one of them. Pieces that are not readable are
// left out, and so is what is beyond 256 MiB. Errors: the process as a whole cannot be read.
Result<void> scan_memory(Memory& memory, const AddressRange& range, std::uint64_t overlap,
                         const std::function<bool(Bytes)>& visit);

}  // namespace netpoll::probes
