// The pages of the format html as they were built in, in which @DATA@ stands for JSON: trace.html and document.html.
#pragma once

#include <string>
#include <string_view>

#include "exporters/json_fwd.h"

namespace netpoll::exporters {

std::string_view html_trace_page();
std::string_view html_document_page();

// The page with its data. No "<" stands in that, so that whatever a name holds stays a name.
std::string filled_page(std::string_view page, const Json& data);

}  // namespace netpoll::exporters
