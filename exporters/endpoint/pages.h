// What the endpoint answers, without HTTP.
#pragma once

#include <string>

#include "exporters/metrics/families.h"
#include "netpoll/runtime.h"

namespace netpoll::debug {

// The snapshot in one of the exporters' formats ("debug1", "debug2", "json", "pprof"). all: the runtime's own frames
// too.
std::string formatted_snapshot(const Runtime& runtime, std::string_view format, bool all);

// What has changed since an earlier snapshot, as the format pprof.
std::string formatted_difference(const Runtime& runtime, const trace::GoroutineSnapshot& earlier, bool all);

// The index of /debug/pprof/, as HTML.
std::string index_page(const Runtime& runtime);

// What /metrics shows.
exporters::MetricFamilies metrics_of(const Runtime& runtime);

}  // namespace netpoll::debug
