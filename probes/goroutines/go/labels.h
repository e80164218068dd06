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
// labels. All together are cut at 64 MiB, and maps at a million buckets: labels beyond are missing, and left_out,
// unless it is null, counts the sets that they are missing in. Errors: as Memory::read_batch.
Result<std::unordered_map<std::uint64_t, LabelSet>> read_labels(Memory& memory, LabelForm form,
                                                                std::span<const std::uint64_t> pointers,
                                                                std::uint64_t* left_out = nullptr);

}  // namespace netpoll::probes
