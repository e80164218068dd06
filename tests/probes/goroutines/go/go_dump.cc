// Takes apart what Go's runtime prints of its goroutines.
#include "tests/probes/goroutines/go/go_dump.h"

#include <cstdlib>
#include <sstream>

namespace netpoll::test {
namespace {

// "\t/usr/lib/go/src/net/net.go:183 +0x45"
void read_place(const std::string& line, DumpFrame& frame) {
  const auto colon = line.rfind(':');
  frame.file = line.substr(1, colon - 1);
  frame.line = std::atoi(line.c_str() + colon + 1);
}

// "net.(*conn).Read(0xc000014010, {0xc00000e2f8?, 0x1?})" without its arguments, which hold no parenthesis.
std::string function_of_call(const std::string& line) {
  const std::string name = line.substr(0, line.rfind('('));
  return name == "panic" ? "runtime.gopanic" : name;
}

}  // namespace

std::map<std::uint64_t, DumpGoroutine> parse_dump(std::string_view text) {
  constexpr std::string_view kHead = "goroutine ";
  constexpr std::string_view kCreated = "created by ";
  constexpr std::string_view kParent = " in goroutine ";
  std::map<std::uint64_t, DumpGoroutine> found;
  DumpGoroutine* current = nullptr;
  DumpFrame* frame = nullptr;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kHead)) {
      current = &found[std::strtoull(line.c_str() + kHead.size(), nullptr, 10)];
      const auto open = line.find('[') + 1;
      const std::string brackets = line.substr(open, line.rfind(']') - open);
      current->state = brackets.substr(0, brackets.find(", "));
      current->locked = brackets.ends_with("locked to thread");
    } else if (line.starts_with(kCreated)) {
      const std::string name = line.substr(kCreated.size());
      const auto parent = name.find(kParent);
      if (parent != std::string::npos) {
        current->parent = std::strtoull(name.c_str() + parent + kParent.size(), nullptr, 10);
      }
      frame = &current->created_by.emplace(DumpFrame{.function = name.substr(0, parent), .file = {}, .line = 0});
    } else if (line.starts_with('\t')) {
      read_place(line, *frame);
    } else if (!line.empty()) {
      frame = &current->stack.emplace_back(DumpFrame{.function = function_of_call(line), .file = {}, .line = 0});
    }
  }
  return found;
}

}  // namespace netpoll::test
