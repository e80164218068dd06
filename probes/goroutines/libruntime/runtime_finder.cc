// Finds libruntime by the notes of the images that are mapped.
#include "probes/goroutines/libruntime/runtime_finder.h"

#include <optional>

#include "probes/goroutines/libruntime/debug_root.h"
#include "probes/ptrace/thread_stop.h"

namespace netpoll::probes {

Result<std::vector<RuntimeView>> find_runtime_views(Subject& subject) {
  std::vector<RuntimeView> views;
  // Kernel threads and processes that are ending have no memory.
  if (subject.mappings().empty()) return views;
  std::optional<ThreadStop> stop;  // to the end
  if (subject.memory().only_while_stopped() && subject.pid()) {
    auto stopped = ThreadStop::stop(*subject.pid());
    if (!stopped) return std::move(stopped).error();
    stop.emplace(std::move(*stopped));
  }
  auto roots = find_debug_roots(subject.memory(), subject.mappings());
  if (!roots) return std::move(roots).error();

  std::optional<Error> refused;
  for (const std::uint64_t root : *roots) {
    auto view = RuntimeView::open(subject.memory(), root);
    if (view) {
      views.push_back(std::move(*view));
    } else if (view.error().is(ErrorKind::kNotFound) || view.error().is(ErrorKind::kPermission)) {
      return std::move(view).error();
    } else {
      refused = std::move(view).error();
    }
  }
  if (views.empty() && refused) return std::move(*refused).within(subject.name());
  return views;
}

Result<RuntimeProcess> find_runtime_process(pid_t pid, const std::string& hint) {
  auto subject = make_live_subject(pid);
  if (!subject) return std::move(subject).error();
  auto views = find_runtime_views(**subject);
  if (!views) return std::move(views).error();
  if (views->empty()) {
    return Error(ErrorKind::kNotSupported, "pid " + std::to_string(pid) + " is not a libruntime program")
        .with_hint(hint);
  }
  return RuntimeProcess{.subject = std::move(*subject), .views = std::move(*views)};
}

}  // namespace netpoll::probes
