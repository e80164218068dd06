// The page of the format html as it was built in: page.html, in which @DATA@ stands for the JSON of a trace.
#pragma once

#include <string_view>

namespace netpoll::exporters {

std::string_view html_page();

}  // namespace netpoll::exporters
