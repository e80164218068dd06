// A program of libruntime, or any other.
#include <cerrno>

#include "probes/goroutines/libruntime/reader.h"
#include "probes/goroutines/target_info.h"
#include "probes/process/windows_process.h"

namespace netpoll::probes {

Result<TargetInfo> describe_target(pid_t pid) {
  TargetInfo info;
  info.pid = pid;
  if (const std::string exe = executable_of(pid); !exe.empty()) {
    info.exe = exe;
    info.comm = exe.substr(exe.find_last_of("\\/") + 1);
  }
  auto subject = make_live_subject(pid);
  if (!subject) {
    if (subject.error().is(ErrorKind::kNotFound)) return std::move(subject).error();
    return info;
  }
  const auto version = libruntime_version(**subject);
  if (!version) return info;
  info.kind = *version ? "libruntime" : "other";
  if (*version && !(*version)->empty()) info.runtime_version = **version;
  return info;
}

}  // namespace netpoll::probes
