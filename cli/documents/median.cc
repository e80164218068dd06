#include "cli/documents/median.h"

#include <algorithm>
#include <cstdint>

namespace netpoll::cli {
namespace {

using exporters::Json;

Json merged(const std::vector<const Json*>& samples);

// .errors lists only what occurred: an errno that a sample does not name occurred 0 times there.
Json merged_errors(const std::vector<const Json*>& samples) {
  std::map<std::string, std::vector<std::uint64_t>> calls;
  for (const Json* sample : samples) {
    for (const auto& [name, count] : sample->items()) calls[name].push_back(count.get<std::uint64_t>());
  }
  Json out = Json::object();
  for (auto& [name, counts] : calls) {
    counts.resize(samples.size(), 0);
    std::sort(counts.begin(), counts.end());
    if (const std::uint64_t middle = counts[(counts.size() - 1) / 2]; middle > 0) out[name] = middle;
  }
  return out;
}

Json merged(const std::vector<const Json*>& samples) {
  const Json& first = *samples.front();
  if (first.is_object()) {
    Json out = Json::object();
    for (const auto& [key, value] : first.items()) {
      std::vector<const Json*> children;
      for (const Json* sample : samples) {
        const auto it = sample->find(key);
        if (it != sample->end()) children.push_back(&*it);
      }
      const bool everywhere = children.size() == samples.size();
      if (everywhere && key == "errors" && value.is_object()) {
        out[key] = merged_errors(children);
      } else {
        out[key] = everywhere ? merged(children) : Json(nullptr);
      }
    }
    return out;
  }
  if (!first.is_number() && !first.is_null()) return first;
  std::vector<const Json*> order = samples;
  for (const Json* sample : samples) {
    if (!sample->is_number()) return nullptr;
  }
  std::sort(order.begin(), order.end(),
            [](const Json* a, const Json* b) { return a->get<double>() < b->get<double>(); });
  return *order[(order.size() - 1) / 2];
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

Json median_of(const std::vector<Json>& samples) {
  std::vector<const Json*> all;
  for (const Json& sample : samples) all.push_back(&sample);
  return merged(all);
}

}  // namespace netpoll::cli
