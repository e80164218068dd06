// Json by name alone, for whoever passes documents on: the library's definition costs a second of compiling.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace netpoll::exporters {

// Fields keep the order in which a document names them, so that equal results are equal bytes.
using Json = nlohmann::ordered_json;

}  // namespace netpoll::exporters
