// Trends: what rows of one view had at the last looks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "cli/top/view.h"

namespace netpoll::cli {

inline constexpr std::size_t kTrendPoints = 32;

// A row's figures, oldest first; NaN where it was unknown.
class Trend {
 public:
  void add(float figure);
  std::vector<float> points() const;
  // The last change; nothing where one of the two is unknown.
  std::optional<double> delta() const;
  bool all_zero() const;

 private:
  friend class Trends;
  float at(std::size_t age) const { return points_.at((next_ + kTrendPoints - 1 - age) % kTrendPoints); }

  std::array<float, kTrendPoints> points_{};
  std::uint8_t next_ = 0;
  std::uint8_t size_ = 0;
  std::uint64_t look_ = 0;  // of the newest
};

// Bounded by the rows of one look: a goroutine or thread that is gone is forgotten. What may come back, as a peer does,
// counts 0 for as long as something else is remembered of it, and no more than kMostAbsent of these are kept.
class Trends {
 public:
  static constexpr std::size_t kMostAbsent = 10'000;

  void clear() { trends_.clear(); }
  void add(std::uint64_t look, const std::vector<RowItem>& items, TopFigure figure, bool come_back);
  const Trend* find(const RowIdentity& identity) const;
  std::size_t size() const { return trends_.size(); }

 private:
  std::unordered_map<RowIdentity, Trend, RowIdentityHash> trends_;
};

}  // namespace netpoll::cli
