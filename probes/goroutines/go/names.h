// Which goroutine a thread of a Go program runs, and its labels, for whoever traces threads.
#pragma once

#include <memory>

#include "probes/stream/goroutine_names.h"

namespace netpoll::probes {

// Go 1.18 and later, as the reader of snapshots (reader.h).
std::unique_ptr<GoroutineNames> make_go_names();

}  // namespace netpoll::probes
