// Asks each reader of the table whether the program is one of its runtime.
#include "probes/goroutines/target_info.h"

#include <cerrno>

#include "probes/goroutines/reader.h"
#include "probes/process/core/core_subject.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

constexpr std::string_view kOther = "other";

std::optional<std::string> unless_empty(std::string text) {
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

}  // namespace

TargetInfo describe_target(const CoreSubject& core) {
  TargetInfo info;
  info.pid = core.dead_pid().value_or(-1);
  info.comm = unless_empty(core.comm());
  info.exe = unless_empty(core.executable_path());
  return info;
}

Result<TargetInfo> describe_target(pid_t pid) {
  TargetInfo info;
  info.pid = pid;
  info.comm = unless_empty(comm_of(pid));
  if (!info.comm) return process_error(pid, ESRCH);
  info.ns_pid = innermost_id(pid);
  info.exe = unless_empty(executable_link(pid));
  auto subject = make_live_subject(pid);
  if (!subject) {
    // A kernel thread or a zombie has a name and no memory.
    if (subject.error().is(ErrorKind::kNotFound)) info.kind = kOther;
    return info;
  }
  for (const ReaderRow& row : reader_rows()) {
    auto version = row.version(**subject);
    if (!version) {
      if (version.error().is(ErrorKind::kNotFound)) info.kind = kOther;
      return info;
    }
    if (!*version) continue;
    info.kind = row.language;
    info.runtime_version = unless_empty(std::move(**version));
    return info;
  }
  info.kind = kOther;
  return info;
}

}  // namespace netpoll::probes
