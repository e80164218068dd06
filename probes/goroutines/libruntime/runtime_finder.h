// The one way from a Subject, or a process, to the RuntimeViews of libruntime in it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/libruntime/runtime_view.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// One view for each image of the subject that contains libruntime; none when it is no program of libruntime. The views
// refer to the subject's memory. kNotSupported, kProtocol: it contains libruntime, but no view could be opened.
// kNotFound, kPermission: of the subject as a whole.
Result<std::vector<RuntimeView>> find_runtime_views(Subject& subject);

// A process that runs libruntime. The views refer to the subject, which keeps its address.
struct RuntimeProcess {
  std::unique_ptr<Subject> subject;
  std::vector<RuntimeView> views;  // at least one
};
// As find_runtime_views; also kNotSupported, with this hint, when pid is no program of libruntime.
Result<RuntimeProcess> find_runtime_process(pid_t pid, const std::string& hint);

}  // namespace netpoll::probes
