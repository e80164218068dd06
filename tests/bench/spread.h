// Spread of measurements that were repeated: medians and quartiles, never means.
#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <vector>

namespace netpoll::bench {

// Of values in ascending order, at least one; q from 0 to 1.
inline double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

inline nlohmann::ordered_json spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {{"median", quantile(values, 0.5)},
          {"p25", quantile(values, 0.25)},
          {"p75", quantile(values, 0.75)},
          {"min", values.front()},
          {"max", values.back()}};
}

}  // namespace netpoll::bench
