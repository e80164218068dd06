// Reads documents with simdjson.
#include "cli/compare/large_document.h"

#include <simdjson.h>

#include <limits>
#include <utility>

#include "cli/compare/input.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
namespace dom = simdjson::dom;

static_assert(kSpare >= simdjson::SIMDJSON_PADDING);

void collect(const dom::element& node, Columns& columns) {
  switch (node.type()) {
    case dom::element_type::OBJECT:
      for (const auto& [name, value] : dom::object(node)) {
        columns.enter(name);
        collect(value, columns);
        columns.leave(name);
      }
      return;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE:
      columns.put(double(node));
      return;
    case dom::element_type::NULL_VALUE:
      columns.put(std::numeric_limits<double>::quiet_NaN());
      return;
    case dom::element_type::ARRAY:
    case dom::element_type::STRING:
    case dom::element_type::BOOL:
      return;
  }
}

class LargeSample final : public Sample {
 public:
  explicit LargeSample(dom::object sample) : sample_(sample) {}

  std::vector<std::string_view> names() const override {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : sample_) names.push_back(name);
    return names;
  }
  bool collect(std::string_view name, Columns& columns) const override {
    dom::element own;
    if (sample_.at_key(name).get(own) != simdjson::SUCCESS) return false;
    cli::collect(own, columns);
    return true;
  }

 private:
  dom::object sample_;
};

// The documents' frames are small, so they become values.
Result<Json> json_of(const dom::element& node, const std::string& name) {
  switch (node.type()) {
    case dom::element_type::OBJECT: {
      Json object = Json::object();
      for (const auto& [key, value] : dom::object(node)) {
        auto member = json_of(value, name);
        if (!member) return member;
        if (!object.emplace(key, std::move(*member)).second) return stands_twice(name, key);
      }
      return object;
    }
    case dom::element_type::ARRAY: {
      Json array = Json::array();
      for (const dom::element element : dom::array(node)) {
        auto value = json_of(element, name);
        if (!value) return value;
        array.push_back(std::move(*value));
      }
      return array;
    }
    case dom::element_type::INT64:
      return Json(std::int64_t(node));
    case dom::element_type::UINT64:
      return Json(std::uint64_t(node));
    case dom::element_type::DOUBLE:
      return Json(double(node));
    case dom::element_type::STRING:
      return Json(std::string_view(node));
    case dom::element_type::BOOL:
      return Json(bool(node));
    case dom::element_type::NULL_VALUE:
      break;
  }
  return Json(nullptr);
}

Result<void> visit_document(const dom::element& element, const std::string& name, ResultVisitor& visitor) {
  dom::object document;
  if (element.get(document) != simdjson::SUCCESS) return no_result(name);
  Json frame = Json::object();
  std::optional<dom::array> samples;
  for (const auto& [key, value] : document) {
    if (key == "samples" && value.is_array()) {
      if (samples) return stands_twice(name, key);
      samples = dom::array(value);
    }
    if (is_per_run(key)) continue;
    auto member = json_of(value, name);
    if (!member) return member.error();
    if (!frame.emplace(key, std::move(*member)).second) return stands_twice(name, key);
  }
  std::optional<std::size_t> count;
  if (samples) count = static_cast<std::size_t>(std::distance(samples->begin(), samples->end()));
  if (auto r = visitor.document(std::move(frame), count); !r || !samples) return r;
  for (const dom::element sample : *samples) {
    dom::object object;
    if (sample.get(object) != simdjson::SUCCESS) return no_sample(name);
    if (auto r = visitor.sample(LargeSample(object)); !r) return r;
  }
  return {};
}

}  // namespace

struct LargeDocument::Parser {
  dom::parser parser;
  dom::element root;
};

LargeDocument::LargeDocument() : parser_(std::make_unique<Parser>()) {}
LargeDocument::~LargeDocument() = default;

bool LargeDocument::parse(std::string_view value) {
  dom::parser& parser = parser_->parser;
  // As it allocates by itself, but for the depth.
  if (parser.capacity() < value.size() && parser.allocate(value.size(), kDeepest) != simdjson::SUCCESS) return false;
  return parser.parse(value.data(), value.size(), /*realloc_if_needed=*/false).get(parser_->root) == simdjson::SUCCESS;
}

Result<void> LargeDocument::visit(const std::string& name, ResultVisitor& visitor) const {
  dom::array several;
  if (parser_->root.get(several) != simdjson::SUCCESS) return visit_document(parser_->root, name, visitor);
  for (const dom::element document : several) {
    if (auto r = visit_document(document, name, visitor); !r) return r;
  }
  return {};
}

}  // namespace netpoll::cli
