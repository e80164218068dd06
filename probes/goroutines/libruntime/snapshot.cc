#include "probes/goroutines/libruntime/snapshot.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <unordered_set>

#include "probes/goroutines/libruntime/goroutine_reader.h"
#include "probes/goroutines/libruntime/runtime_finder.h"
#include "probes/process/clock.h"
#include "probes/process/descriptors.h"
#include "probes/process/epoll_sets.h"
#include "probes/process/symbols.h"

namespace netpoll::probes {
namespace {

std::int64_t monotonic_now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

// Bits of PdRecord::flags (PdLayout in netpoll/debug/abi.h).
constexpr std::uint32_t kForeignChange = 1U << 2;

std::optional<std::int64_t> deadline_from_now(std::int64_t deadline, std::int64_t now) {
  if (deadline == 0) return std::nullopt;
  return deadline > 0 ? deadline - now : -1;
}

Goroutine to_goroutine(const GoroutineRecord& record, std::size_t runtime, std::int64_t now) {
  const GRecord& g = record.g;
  Goroutine result;
  result.goid = g.goid;
  result.runtime = runtime;
  result.status = g.status;
  result.parent_goid = g.parent_goid;
  result.start_pc = g.start_pc;
  result.created_pc = g.created_pc;
  if (g.status == GStatus::kWaiting) {
    result.wait_reason = g.wait_reason;
    // The coarse clock may be ahead of a clock that was read before it was.
    if (g.wait_since > 0) result.wait_ns = std::max<std::int64_t>(0, now - g.wait_since);
  }
  if (record.pd) {
    result.fd = record.pd->fd;
    result.mode = static_cast<int>(g.wait_mode);
    result.deadline_ns = deadline_from_now(g.wait_mode == 0 ? record.pd->rd : record.pd->wd, now);
    result.foreign_change = (record.pd->flags & kForeignChange) != 0;
  }
  return result;
}

// Finds the registrations that somebody removed or changed and the runtime does not know of: it may sleep, waiting for
// just these. The list of the kernel is younger than the records, so a goroutine whose descriptor looks wrong is read
// again: if it has not moved, it was waiting all the time, and its descriptor had to be there.
Result<void> mark_interference(const RuntimeView& view, const RuntimeInfo& runtime, pid_t pid,
                               std::vector<GoroutineRecord>& records) {
  const auto registrations = read_registrations(pid, runtime.epfd);
  if (registrations.empty()) return {};  // not to be read; a live epoll instance holds the wake descriptor at least
  std::unordered_map<std::uint64_t, GoroutineRecord*> suspects;
  std::vector<std::uint64_t> indices;
  for (GoroutineRecord& record : records) {
    if (!record.pd || record.pd->fd < 0) continue;
    const std::uint64_t data = static_cast<std::uint64_t>(record.pd->seq) << 32 | record.pd->index;
    if (registrations.contains({record.pd->fd, data})) continue;
    suspects.emplace(record.g.index, &record);
    indices.push_back(record.g.index);
  }
  if (suspects.empty()) return {};
  auto again = view.read_gs(runtime, indices);
  if (!again) return std::move(again).error();
  for (const GRecord& g : *again) {
    GoroutineRecord& record = *suspects.at(g.index);
    if (record.g.same_moment(g)) record.pd->flags |= kForeignChange;
  }
  return {};
}

// Reads every Runtime of one view into snapshot. One that is destroyed meanwhile is left out.
Result<void> read_view(const RuntimeView& view, RuntimeSnapshot& snapshot, std::int64_t now) {
  auto runtimes = view.runtimes();
  if (!runtimes) return std::move(runtimes).error();
  for (const RuntimeInfo& runtime : *runtimes) {
    auto read = read_goroutines(view, runtime);
    auto published = view.still_published(runtime);
    if (!published) return std::move(published).error();
    if (!*published) continue;
    if (!read) return std::move(read).error();
    if (auto marked = mark_interference(view, runtime, snapshot.pid, read->records); !marked) {
      return std::move(marked).error();
    }
    for (const GoroutineRecord& record : read->records) {
      snapshot.goroutines.push_back(to_goroutine(record, snapshot.runtimes.size(), now));
    }
    snapshot.inconsistent += read->inconsistent;
    snapshot.runtimes.push_back({.name = runtime.name,
                                 .procs = runtime.procs,
                                 .poll_mode = static_cast<PollMode>(runtime.poll_mode),
                                 .trigger = static_cast<Trigger>(runtime.trigger),
                                 .epfd = runtime.epfd});
  }
  return {};
}

void add_descriptors(RuntimeSnapshot& snapshot) {
  std::vector<int> numbers;
  for (const Goroutine& g : snapshot.goroutines) {
    if (g.fd) numbers.push_back(*g.fd);
  }
  const Descriptors descriptors = describe_descriptors(snapshot.pid, numbers);
  for (Goroutine& g : snapshot.goroutines) {
    const auto found = g.fd ? descriptors.find(*g.fd) : descriptors.end();
    if (found == descriptors.end()) continue;
    g.kind = found->second.kind;
    g.local = found->second.local;
    g.peer = found->second.peer;
    g.tcp_state = found->second.tcp_state;
  }
}

void add_functions(const std::vector<Mapping>& mappings, RuntimeSnapshot& snapshot) {
  std::unordered_set<std::uint64_t> distinct;
  for (const Goroutine& g : snapshot.goroutines) {
    distinct.insert(g.start_pc);
    // A return address may already belong to the next function; the call before it does not.
    distinct.insert(g.created_pc - 1);
  }
  SymbolNames names =
      resolve_symbols(snapshot.pid, mappings, std::vector<std::uint64_t>(distinct.begin(), distinct.end()));
  for (auto& [address, name] : names) name = goroutine_function(name);
  for (Goroutine& g : snapshot.goroutines) {
    if (const auto name = names.find(g.start_pc); name != names.end()) g.function = name->second;
    if (const auto name = names.find(g.created_pc - 1); name != names.end()) g.created_by = name->second;
  }
}

}  // namespace

Result<RuntimeSnapshot> read_snapshot(pid_t pid) {
  auto process = find_runtime(pid);
  if (!process) return std::move(process).error();
  RuntimeSnapshot snapshot;
  snapshot.pid = pid;
  snapshot.runtime_version = process->views.front().runtime_version();
  snapshot.taken_at_ns = monotonic_now();
  const std::int64_t now = target_monotonic_now(pid);
  for (const RuntimeView& view : process->views) {
    if (auto read = read_view(view, snapshot, now); !read) {
      if (read.error().is(ErrorKind::kNotFound)) {
        return Error(ErrorKind::kNotFound, "pid " + std::to_string(pid) + " ended while it was read");
      }
      return std::move(read).error().within("pid " + std::to_string(pid));
    }
  }
  std::sort(snapshot.goroutines.begin(), snapshot.goroutines.end(), [](const Goroutine& a, const Goroutine& b) {
    return a.runtime != b.runtime ? a.runtime < b.runtime : a.goid < b.goid;
  });
  add_descriptors(snapshot);
  add_functions(process->mappings, snapshot);
  snapshot.took_ns = monotonic_now() - snapshot.taken_at_ns;
  return snapshot;
}

}  // namespace netpoll::probes
