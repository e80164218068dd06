#include "probes/goroutines/libruntime/runtime_finder.h"

#include <cerrno>
#include <optional>
#include <string>

#include "probes/goroutines/libruntime/debug_root.h"
#include "probes/goroutines/target_info.h"

namespace netpoll::probes {
namespace {

Error not_libruntime(pid_t pid) {
  const std::string number = std::to_string(pid);
  std::string what = "a libruntime program";
  std::string hint = "netpoll-trace stat -p " + number + " counts the poller's system calls of any process";
  if (auto version = go_version_of("/proc/" + number + "/exe")) {
    what += ", but a Go program" + (version->empty() ? std::string() : " (" + *version + ")");
  }
  return Error(ErrorKind::kNotSupported, "pid " + number + " is not " + what).with_hint(std::move(hint));
}

}  // namespace

Result<RuntimeProcess> find_runtime(pid_t pid) {
  if (pid <= 0) return process_error(pid, ESRCH);
  RuntimeProcess process;
  auto mappings = read_mappings(pid);
  if (!mappings) return std::move(mappings).error();
  process.mappings = std::move(*mappings);
  // Kernel threads and processes that are ending have no memory.
  if (process.mappings.empty()) return not_libruntime(pid);
  process.memory = make_process_memory(pid);
  auto roots = find_debug_roots(*process.memory, process.mappings);
  if (!roots) return std::move(roots).error();

  std::optional<Error> refused;
  for (const std::uint64_t root : *roots) {
    auto view = RuntimeView::open(*process.memory, root);
    if (view) {
      process.views.push_back(std::move(*view));
    } else if (view.error().is(ErrorKind::kNotFound) || view.error().is(ErrorKind::kPermission)) {
      return std::move(view).error();
    } else {
      refused = std::move(view).error();
    }
  }
  if (!process.views.empty()) return process;
  if (refused) return std::move(*refused).within("pid " + std::to_string(pid));
  return not_libruntime(pid);
}

}  // namespace netpoll::probes
