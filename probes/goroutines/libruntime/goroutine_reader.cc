#include "probes/goroutines/libruntime/goroutine_reader.h"

#include <array>
#include <span>
#include <unordered_map>

namespace netpoll::probes {
namespace {

// How often a goroutine that moves is tried on its own. One attempt takes some microseconds, so a goroutine has to move
// every few microseconds to escape them all.
constexpr int kAttempts = 8;

bool in_io_wait(const GRecord& g) {
  return g.status == GStatus::kWaiting && g.wait_reason == WaitReason::kIoWait && g.wait_pd != 0;
}

using PdsByIndex = std::unordered_map<std::uint64_t, PdRecord>;

Result<PdsByIndex> pds_waited_for(const RuntimeView& view, const RuntimeInfo& runtime, std::span<const GRecord> gs) {
  std::vector<std::uint64_t> indices;
  for (const GRecord& g : gs) {
    if (in_io_wait(g)) indices.push_back(g.wait_pd);
  }
  PdsByIndex result;
  if (indices.empty()) return result;
  auto pds = view.read_pds(runtime, indices);
  if (!pds) return std::move(pds).error();
  result.reserve(pds->size());
  for (const PdRecord& pd : *pds) result.emplace(pd.index, pd);
  return result;
}

GoroutineRecord joined(const GRecord& g, const PdsByIndex& pds) {
  GoroutineRecord record{.g = g, .pd = std::nullopt};
  if (!in_io_wait(g)) return record;
  if (const auto pd = pds.find(g.wait_pd); pd != pds.end()) record.pd = pd->second;
  return record;
}

// Reads the record at index on its own until two readings agree. No value in the result: no goroutine lives there.
struct Alone {
  std::optional<GoroutineRecord> record;
  bool consistent = false;
};
Result<Alone> read_alone(const RuntimeView& view, const RuntimeInfo& runtime, std::uint64_t index) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::array indices = {index};
    auto before = view.read_gs(runtime, indices);
    if (!before) return std::move(before).error();
    if (before->empty() || !before->front().holds_goroutine()) return Alone{.record = std::nullopt, .consistent = true};
    auto pds = pds_waited_for(view, runtime, *before);
    if (!pds) return std::move(pds).error();
    auto after = view.read_gs(runtime, indices);
    if (!after) return std::move(after).error();
    if (!after->empty() && before->front().same_moment(after->front())) {
      return Alone{.record = joined(before->front(), *pds), .consistent = true};
    }
  }
  return Alone{};
}

}  // namespace

Result<GoroutineRecords> read_goroutines(const RuntimeView& view, const RuntimeInfo& runtime) {
  auto first = view.read_gs(runtime);
  if (!first) return std::move(first).error();
  auto pds = pds_waited_for(view, runtime, *first);
  if (!pds) return std::move(pds).error();
  auto second = view.read_gs(runtime);
  if (!second) return std::move(second).error();

  // Both lists are in order of index. A record that is in the first alone holds no goroutine any more; one that is in
  // the second alone got its goroutine after the first reading, which is the moment that the snapshot shows.
  GoroutineRecords result;
  result.records.reserve(first->size());
  auto again = second->begin();
  for (const GRecord& g : *first) {
    while (again != second->end() && again->index < g.index) ++again;
    if (again == second->end() || again->index != g.index) continue;
    if (g.same_moment(*again)) {
      result.records.push_back(joined(g, *pds));
      continue;
    }
    auto alone = read_alone(view, runtime, g.index);
    if (!alone) return std::move(alone).error();
    if (!alone->consistent) {
      ++result.inconsistent;
    } else if (alone->record) {
      result.records.push_back(*alone->record);
    }
  }
  return result;
}

}  // namespace netpoll::probes
