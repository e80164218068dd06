// The line that says who a document is about.
#pragma once

#include <string>

#include "exporters/json_fwd.h"

namespace netpoll::exporters {

// "nginx (pid 4711), libruntime 0.1.0", the command, "3 processes" or "cgroup /system.slice/nginx.service", of a
// document with target, targets, cgroups and command.
std::string target_heading(const Json& document, bool color);

}  // namespace netpoll::exporters
