// Rings of figures by row.
#include "cli/top/trends.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace netpoll::cli {

void Trend::add(float figure) {
  points_.at(next_) = figure;
  next_ = static_cast<std::uint8_t>((next_ + 1) % kTrendPoints);
  size_ = static_cast<std::uint8_t>(std::min<std::size_t>(size_ + 1U, kTrendPoints));
}

std::vector<float> Trend::points() const {
  std::vector<float> points;
  for (std::size_t age = size_; age > 0; --age) points.push_back(at(age - 1));
  return points;
}

std::optional<double> Trend::delta() const {
  if (size_ < 2 || std::isnan(at(0)) || std::isnan(at(1))) return std::nullopt;
  return static_cast<double>(at(0)) - static_cast<double>(at(1));
}

bool Trend::all_zero() const {
  for (std::size_t age = 0; age < size_; ++age) {
    if (at(age) != 0) return false;
  }
  return true;
}

void Trends::add(std::uint64_t look, const std::vector<RowItem>& items, TopFigure figure, bool come_back) {
  for (const RowItem& item : items) {
    Trend& trend = trends_[item.identity];
    trend.add(item.figure(figure));
    trend.look_ = look;
  }
  std::size_t absent = 0;
  for (auto entry = trends_.begin(); entry != trends_.end();) {
    Trend& trend = entry->second;
    bool forget = false;
    if (trend.look_ != look) {
      forget = !come_back || ++absent > kMostAbsent;
      trend.add(0);
      forget = forget || trend.all_zero();
    }
    entry = forget ? trends_.erase(entry) : std::next(entry);
  }
}

const Trend* Trends::find(const RowIdentity& identity) const {
  const auto found = trends_.find(identity);
  return found == trends_.end() ? nullptr : &found->second;
}

}  // namespace netpoll::cli
