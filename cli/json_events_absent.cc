// Stands in for json_events.cc where simdjson is missing: the library's own parser tells.
#include "cli/json_events.h"
#include "exporters/json.h"

namespace netpoll::cli {

struct JsonEvents::Parser {};

JsonEvents::JsonEvents() = default;
JsonEvents::~JsonEvents() = default;
bool JsonEvents::parse(std::string_view text, Handler& handler) { return exporters::Json::sax_parse(text, &handler); }

}  // namespace netpoll::cli
