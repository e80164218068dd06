// The one way from a pid to its RuntimeView.
#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/libruntime/runtime_view.h"
#include "probes/process/mappings.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// A process that runs libruntime. Movable; the views refer to the memory, which keeps its address.
struct RuntimeProcess {
  std::unique_ptr<Memory> memory;
  std::vector<Mapping> mappings;
  std::vector<RuntimeView> views;  // one for each image that contains libruntime, at least one
};

// Finds libruntime in process pid. Errors as read_snapshot (snapshot.h).
Result<RuntimeProcess> find_runtime(pid_t pid);

}  // namespace netpoll::probes
