// The profiler labels of goroutines: what pprof.Do and tracing libraries set.
//
// Layouts: Go's runtime/pprof/label.go and, until 1.23, runtime/map.go.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/go/layout.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

using LabelSet = std::vector<std::pair<std::string, std::string>>;

// By the value of g.labels. Sets that are unreadable or make no sense are missing; of a set that was changed meanwhile
// anything may have been read, which the goroutine's second reading tells. Texts are cut at 4096 bytes, sets at 1024
// labels, all together at 64 MiB. Errors: as Memory::read_batch.
Result<std::unordered_map<std::uint64_t, LabelSet>> read_labels(Memory& memory, LabelForm form,
                                                                std::span<const std::uint64_t> pointers);

}  // namespace netpoll::probes
