// Puts the document of `snapshot` together.
#include "cli/documents/snapshot.h"

#include <algorithm>
#include <map>

#include "cli/documents/envelope.h"
#include "cli/documents/snapshot_diff.h"
#include "exporters/goroutines/names.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using trace::Goroutine;
using trace::GoroutineSnapshot;

constexpr std::size_t kSummaryRows = 10;

void sort_by_wait(const GoroutineSnapshot& snapshot, std::vector<std::uint32_t>& shown) {
  std::stable_sort(shown.begin(), shown.end(), [&](std::uint32_t a, std::uint32_t b) {
    return exporters::known_wait_ns(snapshot.goroutines[a]) > exporters::known_wait_ns(snapshot.goroutines[b]);
  });
}

// Each goroutine behind the one that started it, if that is shown too; else at the top.
std::vector<std::uint32_t> in_tree_order(const GoroutineSnapshot& snapshot, const std::vector<std::uint32_t>& shown) {
  using Identity = std::pair<std::size_t, std::uint64_t>;  // runtime and goid
  std::map<Identity, std::uint32_t> index_of;
  for (const std::uint32_t index : shown) {
    const Goroutine& g = snapshot.goroutines[index];
    index_of.emplace(Identity{g.runtime, g.goid}, index);
  }
  std::map<std::uint32_t, std::vector<std::uint32_t>> children;
  std::vector<std::uint32_t> todo;
  for (const std::uint32_t index : shown) {
    const Goroutine& g = snapshot.goroutines[index];
    // Goids grow, so whoever started it has a smaller one: what claims otherwise could be its own ancestor.
    const bool has_parent = g.parent_goid && *g.parent_goid < g.goid && index_of.contains({g.runtime, *g.parent_goid});
    if (has_parent) {
      children[index_of.at({g.runtime, *g.parent_goid})].push_back(index);
    } else {
      todo.push_back(index);
    }
  }
  std::reverse(todo.begin(), todo.end());
  std::vector<std::uint32_t> order;
  while (!todo.empty()) {
    const std::uint32_t index = todo.back();
    todo.pop_back();
    order.push_back(index);
    if (const auto below = children.find(index); below != children.end()) {
      todo.insert(todo.end(), below->second.rbegin(), below->second.rend());
    }
  }
  return order;
}

Json head_of(const GoroutineSnapshot& snapshot, const probes::TargetInfo& target,
             std::chrono::system_clock::time_point taken_at, const std::string& core) {
  Json head = new_document("snapshot", taken_at);
  head["target"] = target_json(target);
  head["target"]["kind"] = snapshot.language;
  if (!snapshot.runtime_version.empty()) head["target"]["runtime_version"] = snapshot.runtime_version;
  ProbeInfo probe;
  probe.lost = snapshot.inconsistent;
  if (!core.empty()) {
    probe.overhead_note = "the target was dead; its core was read";
  } else {
    probe.overhead_note = snapshot.paused_ns == 0 ? "the target's memory was read while it ran; it was not stopped"
                                                  : "the target was stopped while its memory was read";
  }
  head["probe"] = probe_json(probe);
  head["core"] = core.empty() ? Json(nullptr) : Json(core);
  head["dump"] = nullptr;
  return head;
}

const char* name_of(const SnapshotView& view) {
  if (view.base) return "diff";
  if (view.summary) return "summary";
  if (view.group_by) return "groups";
  return view.tree ? "tree" : "list";
}

}  // namespace

Result<exporters::SnapshotDocument> snapshot_document(GoroutineSnapshot snapshot, const probes::TargetInfo& target,
                                                      std::chrono::system_clock::time_point taken_at,
                                                      const SnapshotView& view, const std::string& core) {
  exporters::SnapshotDocument document;
  document.taken_at = taken_at;
  document.head = head_of(snapshot, target, taken_at, core);
  // Chosen by what is true, shown as what may be seen.
  std::vector<std::uint32_t> matching;
  for (std::size_t i = 0; i < snapshot.goroutines.size(); ++i) {
    if (view.filter.shows(snapshot, snapshot.goroutines[i])) matching.push_back(static_cast<std::uint32_t>(i));
  }
  redact(snapshot, view.redaction);
  document.snapshot = std::move(snapshot);
  document.shown = matching;
  const auto most = view.top ? view.top : view.summary ? std::optional(kSummaryRows) : std::nullopt;
  if (most) {
    sort_by_wait(document.snapshot, document.shown);
    if (document.shown.size() > *most) document.shown.resize(*most);
  }
  if (view.tree) document.shown = in_tree_order(document.snapshot, document.shown);
  document.head["view"] = name_of(view);
  document.head["matching"] = matching.size();
  document.head["group_by"] = view.group_by ? Json(view.group_by->name()) : Json(nullptr);
  document.head["groups"] = nullptr;
  document.head["summary"] = nullptr;
  document.head["diff"] = nullptr;
  if (view.group_by) {
    document.head["groups"] = group_goroutines(document.snapshot, matching, *view.group_by, view.top.value_or(0));
  }
  if (view.summary) {
    document.head["summary"] = summarize(document.snapshot, matching, view.top.value_or(kSummaryRows));
  }
  if (view.base) {
    auto diff = snapshot_diff(*view.base, document);
    if (!diff) return std::move(diff).error();
    document.head["diff"] = std::move(*diff);
  }
  return document;
}

}  // namespace netpoll::cli
