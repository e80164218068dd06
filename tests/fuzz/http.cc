// What clients of pages send.
#include <cstdlib>

#include "exporters/http/request.h"
#include "tests/fuzz/input.h"

using namespace netpoll::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = netpoll::test::text_of(data, size);
  const auto head = head_size(text);
  if (head && *head > size) std::abort();
  const ParsedRequest parsed = parse_request(text.substr(0, head.value_or(size)));
  if (!parsed.request) {
    if (parsed.refusal.status == 200) std::abort();
    return 0;
  }
  const Request& request = *parsed.request;
  if (request.path.empty() || request.path.front() != '/') std::abort();
  (void)request.header("host");
  (void)request.parameter("seconds");
  return 0;
}
