// Two readings of all goroutines, and more of those that moved in between.
#include "probes/goroutines/libruntime/goroutine_reader.h"

#include <array>
#include <span>
#include <unordered_map>

namespace netpoll::probes {
namespace {

bool in_io_wait(const GRecord& g) {
  return g.status == GStatus::kWaiting && g.wait_reason == WaitReason::kIoWait && g.wait_pd != 0;
}

using PdsByIndex = std::unordered_map<std::uint64_t, PdRecord>;

Result<std::vector<PdRecord>> pds_waited_for(const RuntimeView& view, const RuntimeInfo& runtime,
                                             std::span<const GRecord> gs) {
  std::vector<std::uint64_t> indices;
  for (const GRecord& g : gs) {
    if (in_io_wait(g)) indices.push_back(g.wait_pd);
  }
  if (indices.empty()) return std::vector<PdRecord>();
  return view.read_pds(runtime, indices);
}

PdsByIndex by_index(std::span<const PdRecord> pds) {
  PdsByIndex result;
  result.reserve(pds.size());
  for (const PdRecord& pd : pds) result.emplace(pd.index, pd);
  return result;
}

GoroutineRecord joined(const GRecord& g, const PdsByIndex& pds, StackRecord stack) {
  GoroutineRecord record{.g = g, .pd = std::nullopt, .stack = std::move(stack)};
  if (!in_io_wait(g)) return record;
  if (const auto pd = pds.find(g.wait_pd); pd != pds.end()) record.pd = pd->second;
  return record;
}

// Reads the record at index on its own until two readings agree. No value in the result: no goroutine lives there.
struct Alone {
  std::optional<GoroutineRecord> record;
  bool consistent = false;
  std::uint64_t readings = 0;
};
Result<Alone> read_alone(const RuntimeView& view, const RuntimeInfo& runtime, StackReader& stacks, std::uint64_t index,
                         int attempts) {
  Alone alone;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    ++alone.readings;
    const std::array indices = {index};
    auto before = view.read_gs(runtime, indices);
    if (!before) return std::move(before).error();
    alone.consistent = before->empty() || !before->front().holds_goroutine();
    if (alone.consistent) return alone;
    auto pds = pds_waited_for(view, runtime, *before);
    if (!pds) return std::move(pds).error();
    auto stack = stacks.read(*before);
    if (!stack) return std::move(stack).error();
    auto after = view.read_gs(runtime, indices);
    if (!after) return std::move(after).error();
    alone.consistent = !after->empty() && before->front().same_moment(after->front());
    if (alone.consistent) {
      alone.record = joined(before->front(), by_index(*pds), std::move(stack->front()));
      return alone;
    }
  }
  return alone;
}

}  // namespace

Result<GoroutineRecords> read_goroutines(const RuntimeView& view, const RuntimeInfo& runtime, StackReader& stacks,
                                         int attempts) {
  auto first = view.read_gs(runtime);
  if (!first) return std::move(first).error();
  auto pds = pds_waited_for(view, runtime, *first);
  if (!pds) return std::move(pds).error();
  const PdsByIndex pd_at = by_index(*pds);
  auto read_stacks = stacks.read(*first);
  if (!read_stacks) return std::move(read_stacks).error();
  auto second = view.read_gs(runtime);
  if (!second) return std::move(second).error();

  // Both lists are in order of index. A record that is in the first alone holds no goroutine any more; one that is in
  // the second alone got its goroutine after the first reading, which is the moment that the snapshot shows.
  GoroutineRecords result;
  result.records.reserve(first->size());
  auto again = second->begin();
  for (std::size_t i = 0; i < first->size(); ++i) {
    const GRecord& g = (*first)[i];
    while (again != second->end() && again->index < g.index) ++again;
    if (again == second->end() || again->index != g.index) continue;
    if (g.same_moment(*again)) {
      result.records.push_back(joined(g, pd_at, std::move((*read_stacks)[i])));
      continue;
    }
    auto alone = read_alone(view, runtime, stacks, g.index, attempts);
    if (!alone) return std::move(alone).error();
    result.retries += alone->readings;
    if (!alone->consistent) {
      ++result.inconsistent;
    } else if (alone->record) {
      result.records.push_back(std::move(*alone->record));
    }
  }
  return result;
}

Result<GoroutineCopies> copy_goroutines(const RuntimeView& view, const RuntimeInfo& runtime, StackReader& stacks) {
  auto gs = view.read_gs(runtime);
  if (!gs) return std::move(gs).error();
  auto pds = pds_waited_for(view, runtime, *gs);
  if (!pds) return std::move(pds).error();
  auto copies = stacks.copy(*gs);
  if (!copies) return std::move(copies).error();
  return GoroutineCopies{.gs = std::move(*gs), .pds = std::move(*pds), .stacks = std::move(*copies)};
}

std::vector<GoroutineRecord> look_into(const GoroutineCopies& copies, const StackReader& stacks) {
  const PdsByIndex pds = by_index(copies.pds);
  auto read = stacks.look_into(copies.gs, copies.stacks);
  std::vector<GoroutineRecord> records;
  records.reserve(copies.gs.size());
  for (std::size_t i = 0; i < copies.gs.size(); ++i) {
    records.push_back(joined(copies.gs[i], pds, std::move(read[i])));
  }
  return records;
}

}  // namespace netpoll::probes
