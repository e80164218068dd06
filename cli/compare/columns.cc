// Flattens runs into columns, and hands documents over part by part.
#include "cli/compare/columns.h"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "cli/compare/input.h"
#include "cli/compare/large_document.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

// Top-level members that say what was measured and not what came out.
constexpr std::array<std::string_view, 15> kDescriptions{
    "schema", "tool", "host",      "started_at",  "target", "targets", "workload", "samples",
    "exit",   "per",  "intervals", "interrupted", "spread", "groups",  "cgroups"};
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

bool describes(std::string_view member) {
  return std::find(kDescriptions.begin(), kDescriptions.end(), member) != kDescriptions.end();
}

class JsonSample final : public Sample {
 public:
  explicit JsonSample(const Json& sample) : sample_(sample) {}

  std::vector<std::string_view> names() const override {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : sample_.get_ref<const Json::object_t&>()) names.emplace_back(name);
    return names;
  }
  bool collect(std::string_view name, Columns& columns) const override {
    const auto own = sample_.find(name);
    if (own == sample_.end()) return false;
    columns.collect(*own);
    return true;
  }

 private:
  const Json& sample_;
};

}  // namespace

void Columns::run(const Json& frame, const Sample& sample) {
  expected_ = 0;
  path_.clear();
  for (const auto& [name, value] : frame.get_ref<const Json::object_t&>()) {
    if (describes(name)) continue;
    enter(name);
    if (!sample.collect(name, *this)) collect(value);
    leave(name);
  }
  for (const std::string_view name : sample.names()) {
    if (describes(name) || frame.contains(name)) continue;
    enter(name);
    sample.collect(name, *this);
    leave(name);
  }
  ++runs_;
}

void Columns::run(const Json& frame, const Json& sample) { run(frame, JsonSample(sample)); }

void Columns::collect(const Json& node) {
  if (node.is_object()) {
    for (const auto& [name, value] : node.get_ref<const Json::object_t&>()) {
      enter(name);
      collect(value);
      leave(name);
    }
  } else if (node.is_number()) {
    put(node.get<double>());
  } else if (node.is_null()) {
    put(kUnknown);
  }
}

void Columns::put(double value) {
  if (expected_ >= figures_.size() || figures_[expected_].path != path_) {
    const auto [it, added] = index_.try_emplace(path_, figures_.size());
    if (added) figures_.push_back({path_, {}});
    expected_ = it->second;
  }
  std::vector<double>& runs = figures_[expected_].runs;
  if (runs.size() > runs_) doubled_ = path_;
  runs.resize(runs_, kUnknown);
  runs.push_back(value);
  ++expected_;
}

std::vector<Figure> Columns::take() {
  for (Figure& figure : figures_) {
    figure.runs.resize(runs_, kUnknown);
    if (!is_errno_path(figure.path)) continue;
    for (double& value : figure.runs) value = std::isnan(value) ? 0 : value;
  }
  return std::move(figures_);
}

Result<void> visit(const Json& document, const std::string& name, ResultVisitor& visitor) {
  Json frame = Json::object();
  for (const auto& [key, value] : document.get_ref<const Json::object_t&>()) {
    if (!is_per_run(key)) frame[key] = value;
  }
  const auto samples = document.find("samples");
  const bool repeated = samples != document.end() && samples->is_array();
  auto taken = visitor.document(std::move(frame), repeated ? std::optional(samples->size()) : std::nullopt);
  if (!taken || !repeated) return taken;
  for (const Json& sample : *samples) {
    if (!sample.is_object()) return no_sample(name);
    if (auto r = visitor.sample(JsonSample(sample)); !r) return r;
  }
  return {};
}

Result<void> visit_text(std::string_view text, const std::string& name, LargeDocument& large, ResultVisitor& visitor) {
  // A large text is one value, most often, and then nobody has to look for its end first.
  if (large.parse(text.substr(0, text.size() - kSpare))) return large.visit(name, visitor);
  const auto values = values_of(text, name);
  if (!values) return values.error();
  for (const std::string_view value : *values) {
    if (large.parse(value)) {
      if (auto r = large.visit(name, visitor); !r) return r;
      continue;
    }
    const auto documents = documents_of(text, value, name);
    if (!documents) return documents.error();
    for (const Json& document : *documents) {
      if (auto r = cli::visit(document, name, visitor); !r) return r;
    }
  }
  return {};
}

}  // namespace netpoll::cli
