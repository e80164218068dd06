// Parses with simdjson, and walks over what it found.
#include "cli/json_events.h"

#include <simdjson.h>

#include <string>

#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
namespace dom = simdjson::dom;

// scratch is for names and texts, which handlers take as strings.
bool tell(const dom::element& node, JsonEvents::Handler& handler, std::string& scratch) {
  switch (node.type()) {
    case dom::element_type::OBJECT:
      if (!handler.start_object(static_cast<std::size_t>(-1))) return false;
      for (const auto& [name, value] : dom::object(node)) {
        scratch.assign(name);
        if (!handler.key(scratch) || !tell(value, handler, scratch)) return false;
      }
      return handler.end_object();
    case dom::element_type::ARRAY:
      if (!handler.start_array(static_cast<std::size_t>(-1))) return false;
      for (const dom::element element : dom::array(node)) {
        if (!tell(element, handler, scratch)) return false;
      }
      return handler.end_array();
    case dom::element_type::INT64: {
      const auto value = std::int64_t(node);
      return value < 0 ? handler.number_integer(value) : handler.number_unsigned(static_cast<std::uint64_t>(value));
    }
    case dom::element_type::UINT64:
      return handler.number_unsigned(std::uint64_t(node));
    case dom::element_type::DOUBLE:
      return handler.number_float(double(node), "");
    case dom::element_type::STRING:
      scratch.assign(std::string_view(node));
      return handler.string(scratch);
    case dom::element_type::BOOL:
      return handler.boolean(bool(node));
    case dom::element_type::NULL_VALUE:
      break;
  }
  return handler.null();
}

}  // namespace

struct JsonEvents::Parser {
  dom::parser parser;
  std::string text;  // with the room behind it that simdjson wants
  std::string scratch;
};

JsonEvents::JsonEvents() : parser_(std::make_unique<Parser>()) {}
JsonEvents::~JsonEvents() = default;

bool JsonEvents::parse(std::string_view text, Handler& handler) {
  parser_->text.assign(text).append(simdjson::SIMDJSON_PADDING, ' ');
  dom::element root;
  const auto error = parser_->parser.parse(parser_->text.data(), text.size(), /*realloc_if_needed=*/false).get(root);
  // What it refuses, numbers beyond 64 bits among it, may be JSON all the same.
  return error == simdjson::SUCCESS ? tell(root, handler, parser_->scratch) : Json::sax_parse(text, &handler);
}

}  // namespace netpoll::cli
