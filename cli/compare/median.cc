// The median of several documents, figure by figure.
#include "cli/compare/median.h"

#include <algorithm>
#include <cstdint>

#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

// What becomes of the values of one figure, which are in order.
using Summary = Json (*)(const std::vector<Json>& ordered);

Json middle(const std::vector<Json>& ordered) {
  const Json& low = ordered[(ordered.size() - 1) / 2];
  const Json& high = ordered[ordered.size() / 2];
  if (low.is_number_integer() && high.is_number_integer()) {
    const auto a = low.get<std::int64_t>(), b = high.get<std::int64_t>();
    return a + (b - a) / 2;
  }
  return low == high ? low : Json((low.get<double>() + high.get<double>()) / 2);
}

Json range(const std::vector<Json>& ordered) { return {{"min", ordered.front()}, {"max", ordered.back()}}; }

Json summarized(std::vector<Json> values, Summary summary) {
  std::sort(values.begin(), values.end(),
            [](const Json& a, const Json& b) { return a.get<double>() < b.get<double>(); });
  return summary(values);
}

// .errors lists only what occurred: an errno that a sample does not name occurred 0 times there.
Json merged_errors(const std::vector<const Json*>& samples, Summary summary) {
  std::map<std::string, std::vector<Json>> calls;
  for (const Json* sample : samples) {
    for (const auto& [name, count] : sample->items()) calls[name].push_back(count);
  }
  Json out = Json::object();
  for (auto& [name, counts] : calls) {
    counts.resize(samples.size(), 0);
    if (Json value = summarized(std::move(counts), summary); value != 0) out[name] = std::move(value);
  }
  return out;
}

// texts: whether what is no number comes along, as the first sample has it.
Json merged(const std::vector<const Json*>& samples, Summary summary, bool texts) {
  const Json& first = *samples.front();
  if (first.is_object()) {
    Json out = Json::object();
    for (const auto& [key, value] : first.items()) {
      if (!texts && !value.is_object() && !value.is_number() && !value.is_null()) continue;
      std::vector<const Json*> children;
      for (const Json* sample : samples) {
        const auto it = sample->find(key);
        if (it != sample->end()) children.push_back(&*it);
      }
      const bool everywhere = children.size() == samples.size();
      if (everywhere && key == "errors" && value.is_object()) {
        out[key] = merged_errors(children, summary);
      } else {
        out[key] = everywhere ? merged(children, summary, texts) : Json(nullptr);
      }
    }
    return out;
  }
  if (!first.is_number() && !first.is_null()) return first;
  std::vector<Json> values;
  for (const Json* sample : samples) {
    if (!sample->is_number()) return nullptr;
    values.push_back(*sample);
  }
  return summarized(std::move(values), summary);
}

Json merged(const std::vector<Json>& samples, Summary summary, bool texts) {
  std::vector<const Json*> all;
  for (const Json& sample : samples) all.push_back(&sample);
  return merged(all, summary, texts);
}

}  // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return median_of_ordered(values);
}

double median_of_ordered(const std::vector<double>& values) {
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

Json median_of(const std::vector<Json>& samples) { return merged(samples, middle, true); }

Json spread_of(const std::vector<Json>& samples) { return merged(samples, range, false); }

}  // namespace netpoll::cli
