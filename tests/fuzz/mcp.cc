// Arguments of the tools of `mcp`: what a model sends must become words of a command line, and no flags.
#include <string_view>

#include "cli/mcp/bounded.h"
#include "cli/mcp/tools.h"
#include "exporters/json.h"
#include "tests/fuzz/input.h"

using namespace netpoll::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto arguments =
      netpoll::exporters::Json::parse(netpoll::test::text_of(data, size), nullptr, /*allow_exceptions=*/false);
  if (!arguments.is_object()) return 0;
  for (const Tool& tool : tools()) {
    (void)limit_of(arguments);
    const auto words = command_line(tool, arguments);
    if (!words) continue;
    for (const std::string& word : *words) {
      // A NUL would end the word before its end, where it is handed to exec.
      if (word.find('\0') != std::string::npos) std::abort();
    }
  }
  auto document = arguments;
  bound(document, 2);
  return 0;
}
