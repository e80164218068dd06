// What kind of program a process runs: one of a runtime that has a reader, or any other.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "netpoll/result.h"

namespace netpoll::probes {

class CoreSubject;  // probes/process/core/core_subject.h

// The `target` object of our JSON documents. Unknown is nullopt.
struct TargetInfo {
  pid_t pid = -1;
  std::optional<pid_t> ns_pid;  // in its own pid namespace, where that is another than ours
  std::optional<std::string> comm;
  std::optional<std::string> exe;              // path of the executable as the target sees it
  std::optional<std::string_view> kind;        // ReaderRow::language, or "other". nullopt: nobody was let look
  std::optional<std::string> runtime_version;  // in the runtime's own words: "0.1.0", "go1.19.8"
};

// Who left a core: pid, comm and exe; the reader knows the rest.
TargetInfo describe_target(const CoreSubject& core);
// Looks at process pid. kNotFound when there is none. A process that we must not look into has a comm and nothing else.
// Into its memory it looks on Linux alone: elsewhere its reader says what it is.
Result<TargetInfo> describe_target(pid_t pid);

}  // namespace netpoll::probes
