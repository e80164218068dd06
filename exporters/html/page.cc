// Puts data into a page.
#include "exporters/html/page.h"

#include "exporters/json.h"

namespace netpoll::exporters {

std::string filled_page(std::string_view page, const Json& data) {
  constexpr std::string_view kMark = "@DATA@";
  const std::size_t at = page.find(kMark);
  std::string text(page.substr(0, at));
  for (const char c : data.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text.append(page.substr(at + kMark.size()));
}

}  // namespace netpoll::exporters
