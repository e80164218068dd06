// Asks for libruntime's note first, then for what Go leaves in its programs.
#include "probes/goroutines/target_info.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <fstream>

#include "probes/goroutines/go/build_info.h"
#include "probes/goroutines/libruntime/runtime_finder.h"
#include "probes/process/memory.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<std::string> link_target(const std::string& path) {
  std::array<char, PATH_MAX> text;
  const ssize_t size = readlink(path.c_str(), text.data(), text.size());
  if (size < 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

// libruntime's version, when the process carries its note. Nothing when it does not; an Error when we may not look.
Result<std::optional<std::string>> libruntime_version(pid_t pid) {
  auto subject = make_live_subject(pid);
  if (!subject) return std::move(subject).error();
  auto views = find_runtime_views(**subject);
  if (!views) {
    // The note is there, but we do not understand what it points to.
    const ErrorKind kind = views.error().kind();
    if (kind == ErrorKind::kNotSupported || kind == ErrorKind::kProtocol) return std::optional(std::string());
    return std::move(views).error();
  }
  return views->empty() ? std::nullopt : std::optional(views->front().runtime_version());
}

std::optional<std::string> unless_empty(std::string text) {
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

}  // namespace

std::string_view target_kind_name(TargetKind kind) {
  switch (kind) {
    case TargetKind::kLibruntime:
      return "libruntime";
    case TargetKind::kGo:
      return "go";
    case TargetKind::kOther:
      break;
  }
  return "other";
}

TargetInfo describe_target(const CoreSubject& core) {
  TargetInfo info;
  info.pid = core.dead_pid().value_or(-1);
  info.comm = unless_empty(core.comm());
  info.exe = unless_empty(core.executable_path());
  return info;
}

Result<TargetInfo> describe_target(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  TargetInfo info;
  info.pid = pid;
  info.comm = first_line(proc + "/comm");
  if (!info.comm) return process_error(pid, ESRCH);
  const std::string exe = "/proc/" + std::to_string(living_thread(pid)) + "/exe";
  info.exe = link_target(exe);
  auto version = libruntime_version(pid);
  if (!version) {
    // A kernel thread or a zombie has a name and no memory.
    if (version.error().is(ErrorKind::kNotFound)) info.kind = TargetKind::kOther;
    return info;
  }
  if (version->has_value()) {
    info.kind = TargetKind::kLibruntime;
    info.runtime_version = unless_empty(std::move(**version));
  } else if (auto go = go_version_of(exe)) {
    info.kind = TargetKind::kGo;
    info.runtime_version = unless_empty(std::move(*go));
  } else {
    info.kind = TargetKind::kOther;
  }
  return info;
}

}  // namespace netpoll::probes
