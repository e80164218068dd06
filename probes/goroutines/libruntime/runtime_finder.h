// The one way from a Subject to the RuntimeViews of libruntime in it.
#pragma once

#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/libruntime/runtime_view.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// One view for each image of the subject that contains libruntime; none when it is no program of libruntime. The views
// refer to the subject's memory. kNotSupported, kProtocol: it contains libruntime, but no view could be opened.
// kNotFound, kPermission: of the subject as a whole.
Result<std::vector<RuntimeView>> find_runtime_views(Subject& subject);

}  // namespace netpoll::probes
