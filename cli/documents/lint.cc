// Joins what is wrong with registrations to what goroutines suffer from.
#include "cli/documents/lint.h"

#include <algorithm>
#include <string_view>

#include "cli/documents/envelope.h"
#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using probes::FindingRule;

// Of goroutines; those of registrations are in probes/process/descriptors/epoll_findings.cc.
constexpr FindingRule kForeignCtl{
    "foreign-epoll-ctl", "error", "somebody else's epoll_ctl removed or changed a registration of the runtime",
    "leave the runtime's epoll instance alone; give the descriptor to the runtime, or to a loop of one's own"};
constexpr FindingRule kClosedBehind{
    "closed-behind-runtime", "error", "the descriptor was closed by its number, and a goroutine still waits for it",
    "close through the connection, which wakes who waits; not by close(2) on its number"};
constexpr FindingRule kReusedBehind{
    "reused-behind-runtime", "error",
    "the number stands for another file now, and a goroutine still waits for the one before",
    "close through the connection, which wakes who waits; not by close(2) or dup2(2) on its number"};

std::string who_waits(const trace::Goroutine& g) {
  std::string text = "goroutine " + std::to_string(g.goid) + " waits";
  if (g.mode) text += *g.mode == trace::IoMode::kRead ? " to read" : " to write";
  if (!g.local.empty()) text += " on " + g.local;
  return g.peer.empty() ? text : text + " from " + g.peer;
}

Json goroutine_finding(const FindingRule& rule, const LintedRuntime& runtime, const trace::Goroutine& g) {
  const int epfd = g.runtime < runtime.snapshot.runtimes.size() ? runtime.snapshot.runtimes[g.runtime].epfd : -1;
  return {{"rule", std::string(rule.id)},
          {"level", std::string(rule.level)},
          {"pid", runtime.pid},
          {"epfd", epfd < 0 ? Json(nullptr) : Json(epfd)},
          {"fd", exporters::or_null(g.fd)},
          {"goid", g.goid},
          {"meaning", std::string(rule.meaning)},
          {"evidence", who_waits(g)},
          {"fix", std::string(rule.fix)}};
}

void look_at(const LintedRuntime& runtime, std::vector<Json>& findings) {
  for (const trace::Goroutine& g : runtime.snapshot.goroutines) {
    if (!g.stable) continue;  // its fields may not belong together
    if (g.foreign_change) findings.push_back(goroutine_finding(kForeignCtl, runtime, g));
    if (g.fd_state == "closed") findings.push_back(goroutine_finding(kClosedBehind, runtime, g));
    if (g.fd_state == "reused") findings.push_back(goroutine_finding(kReusedBehind, runtime, g));
    const auto& lost = runtime.unwatched;
    if (std::find(lost.begin(), lost.end(), g.goid) == lost.end()) continue;
    // Closing the last descriptor of a file takes its registration off, too.
    findings.push_back(goroutine_finding(g.kind.empty() ? kClosedBehind : kForeignCtl, runtime, g));
  }
}

}  // namespace

std::vector<const trace::Goroutine*> find_unwatched(const trace::GoroutineSnapshot& snapshot, pid_t pid,
                                                    const std::vector<probes::InterestSet>& sets) {
  std::vector<const trace::Goroutine*> found;
  for (const trace::Goroutine& g : snapshot.goroutines) {
    // Its runtime's tables knew nothing of it, and its stack says what it waits for.
    if (!g.stable || !g.io_wait || !g.fd || g.fd_source != trace::FdSource::kStack || !g.fd_state.empty()) continue;
    const int epfd = g.runtime < snapshot.runtimes.size() ? snapshot.runtimes[g.runtime].epfd : -1;
    const auto set = std::find_if(sets.begin(), sets.end(),
                                  [&](const probes::InterestSet& s) { return s.pid == pid && s.epfd == epfd; });
    if (set == sets.end()) continue;
    const bool watched = std::any_of(set->entries.begin(), set->entries.end(),
                                     [&](const probes::InterestEntry& e) { return e.fd == *g.fd; });
    if (!watched) found.push_back(&g);
  }
  return found;
}

Json lint_document(const EpollView& view, const std::vector<LintedRuntime>& runtimes, std::vector<std::string> notes,
                   bool errors_only) {
  Json json = new_document("lint", view.taken_at);
  json["target"] = view.targets.size() == 1 ? target_json(view.targets.front()) : Json(nullptr);
  json["targets"] = Json::array();
  for (const probes::TargetInfo& target : view.targets) json["targets"].push_back(target_json(target));
  ProbeInfo probe;
  probe.lost = 0;
  probe.overhead_note = "read from /proc and from memory; nothing is stopped";
  probe.notes = std::move(notes);
  json["probe"] = probe_json(probe);

  std::size_t registrations = 0, goroutines = 0;
  for (const probes::InterestSet& set : view.sets) registrations += set.entries.size();
  std::vector<Json> findings;
  for (const probes::Finding& finding : view.findings) {
    Json row = finding_json(finding);
    row["goid"] = nullptr;
    findings.push_back(std::move(row));
  }
  for (const LintedRuntime& runtime : runtimes) {
    goroutines += runtime.snapshot.goroutines.size();
    look_at(runtime, findings);
  }
  if (errors_only) std::erase_if(findings, [](const Json& f) { return f["level"] != "error"; });
  // Errors first, else in the order found.
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Json& a, const Json& b) { return a["level"] == "error" && b["level"] != "error"; });
  json["looked_at"] = {{"instances", view.sets.size()}, {"registrations", registrations}, {"goroutines", goroutines}};
  const auto errors = static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(), [](const Json& f) { return f["level"] == "error"; }));
  json["errors"] = errors;
  json["warnings"] = findings.size() - errors;
  json["findings"] = findings;
  return json;
}

}  // namespace netpoll::cli
