// JsonEvents: the values of a JSON text, told one after the other, without a document of them.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "exporters/json_fwd.h"

namespace netpoll::cli {

// By simdjson where this build has it, which takes a fraction of the library's time for a line of a trace. Not
// thread-safe.
class JsonEvents {
 public:
  using Handler = nlohmann::json_sax<exporters::Json>;

  JsonEvents();
  ~JsonEvents();
  JsonEvents(const JsonEvents&) = delete;
  JsonEvents& operator=(const JsonEvents&) = delete;

  // As Json::sax_parse(): false where the text is not JSON, of which the handler may have been told a part, or where
  // the handler has had enough. The text of a floating-point number may be empty, and how many members there are
  // unknown.
  bool parse(std::string_view text, Handler& handler);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace netpoll::cli
