// Keeps the longest slices.
#include "exporters/events/slice_store.h"

#include <algorithm>

namespace netpoll::exporters {
namespace {

constexpr std::size_t kMostStrings = 4096;
constexpr std::size_t kMostOfLane = 16;  // peers and descriptors that a lane is found by

template <typename T>
void note(std::vector<T>& list, T value) {
  if (list.size() >= kMostOfLane || std::find(list.begin(), list.end(), value) != list.end()) return;
  list.push_back(value);
}

}  // namespace

std::optional<std::uint32_t> Strings::number_of(std::string_view text) {
  const auto known = numbers_.find(std::string(text));
  if (known != numbers_.end()) return known->second;
  if (texts_.size() >= kMostStrings) return std::nullopt;
  const auto number = static_cast<std::uint32_t>(texts_.size());
  numbers_.emplace(text, number);
  texts_.emplace_back(text);
  return number;
}

void SliceStore::track(const TrackId& track, std::string_view name) {
  if (track.kind == TrackKind::kProcess) {
    processes_[track.pid] = name;
    return;
  }
  const auto [at, is_new] = numbers_.try_emplace(key_of(track), static_cast<std::uint32_t>(lanes_.size()));
  if (is_new) lanes_.push_back({.track = track, .name = std::string(name), .peers = {}, .fds = {}});
}

void SliceStore::slice(const TimelineSlice& slice) {
  const auto lane = numbers_.find(key_of(slice.track));
  if (lane == numbers_.end()) return;
  Slice kept{.begin_ns = slice.begin_ns,
             .length_ns = slice.end_ns - slice.begin_ns,
             .lane = lane->second,
             .name = 0,
             .peer = std::nullopt};
  Lane& of = lanes_.at(lane->second);
  for (const TimelineArg& arg : slice.args) {
    if (arg.name == "peer") {
      kept.peer = peers_.number_of(arg.text);
      if (kept.peer) note(of.peers, *kept.peer);
    } else if (arg.name == "fd") {
      note(of.fds, arg.number);
    }
  }
  if (kept.length_ns < shortest_ns_) {
    ++left_out_;
    return;
  }
  // Names of slices are few: those of calls and of states.
  kept.name = names_.number_of(slice.name).value_or(0);
  sorted_ = false;
  slices_.push_back(kept);
  if (slices_.size() >= kMostSlices) thin_out();
}

void SliceStore::thin_out() {
  std::vector<std::uint64_t> lengths;
  lengths.reserve(slices_.size());
  for (const Slice& slice : slices_) lengths.push_back(slice.length_ns);
  const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2);
  std::nth_element(lengths.begin(), middle, lengths.end());
  shortest_ns_ = *middle + 1;
  const std::size_t before = slices_.size();
  std::erase_if(slices_, [&](const Slice& slice) { return slice.length_ns < shortest_ns_; });
  left_out_ += before - slices_.size();
}

std::vector<const SliceStore::Lane*> SliceStore::lanes() const {
  std::vector<const Lane*> lanes;
  lanes.reserve(numbers_.size());
  for (const auto& [key, number] : numbers_) lanes.push_back(&lanes_.at(number));
  return lanes;
}

std::span<const SliceStore::Slice> SliceStore::slices_of(const Lane& lane) {
  if (!sorted_) {
    std::stable_sort(slices_.begin(), slices_.end(), [](const Slice& a, const Slice& b) {
      return std::pair(a.lane, a.begin_ns) < std::pair(b.lane, b.begin_ns);
    });
    sorted_ = true;
  }
  const Slice wanted{.lane = static_cast<std::uint32_t>(&lane - lanes_.data())};
  const auto [begin, end] = std::equal_range(slices_.begin(), slices_.end(), wanted,
                                             [](const Slice& a, const Slice& b) { return a.lane < b.lane; });
  return {begin, end};
}

std::string SliceStore::process_of(const Lane& lane) const {
  const auto known = processes_.find(lane.track.pid);
  const std::string name = known != processes_.end() && !known->second.empty() ? known->second + " " : std::string();
  return name + "pid " + std::to_string(lane.track.pid);
}

}  // namespace netpoll::exporters
