// SliceStore: the slices of a timeline that are worth drawing, in bounded memory, for formats that are written as a
// whole: when there are too many, the shorter half goes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "exporters/events/timeline.h"

namespace netpoll::exporters {

// Numbers the distinct texts that it is given; the first 4096 of them.
class Strings {
 public:
  // Nothing: there are too many.
  std::optional<std::uint32_t> number_of(std::string_view text);
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::string> texts_;
};

// One thread at a time.
class SliceStore {
 public:
  // More rectangles than a screen has pixels.
  static constexpr std::size_t kMostSlices = 100'000;

  struct Lane {
    TrackId track;
    std::string name;
    std::vector<std::uint32_t> peers;  // the first of those it had to do with, among peers()
    std::vector<std::int64_t> fds;
  };
  struct Slice {
    std::uint64_t begin_ns = 0;  // CLOCK_MONOTONIC
    std::uint64_t length_ns = 0;
    std::uint32_t lane = 0;
    std::uint32_t name = 0;             // among names()
    std::optional<std::uint32_t> peer;  // among peers()
  };

  void track(const TrackId& track, std::string_view name);
  void slice(const TimelineSlice& slice);

  // Lanes by process, kind and number, and the slices of one in order of time. Sorts when it is first asked.
  std::vector<const Lane*> lanes() const;
  std::span<const Slice> slices_of(const Lane& lane);
  std::string process_of(const Lane& lane) const;  // "server pid 41"
  const std::map<pid_t, std::string>& processes() const { return processes_; }
  const Strings& names() const { return names_; }
  const Strings& peers() const { return peers_; }
  std::uint64_t left_out() const { return left_out_; }        // slices that went
  std::uint64_t shortest_ns() const { return shortest_ns_; }  // of what is kept

 private:
  using Key = std::tuple<pid_t, TrackKind, std::uint64_t>;
  static Key key_of(const TrackId& track) { return {track.pid, track.kind, track.id}; }
  void thin_out();

  std::map<pid_t, std::string> processes_;
  std::map<Key, std::uint32_t> numbers_;  // of lanes
  std::vector<Lane> lanes_;
  std::vector<Slice> slices_;
  bool sorted_ = false;
  Strings names_;
  Strings peers_;
  std::uint64_t shortest_ns_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace netpoll::exporters
