// Takes demangled names apart.
#include "libruntime/symbols/goroutine_names.h"

#include <algorithm>
#include <array>

namespace netpoll::symbols {
namespace {

// Whether the angle bracket at i belongs to an operator ("operator<<", "->") and brackets nothing.
bool part_of_operator(std::string_view text, std::size_t i) {
  const std::string_view before = text.substr(0, i);
  return before.ends_with("operator") || before.ends_with("operator<") || before.ends_with("operator>") ||
         before.ends_with("-");
}

// What stands between the angle bracket at `open` and its counterpart; empty when it has none.
std::string_view template_argument(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if ((text[i] != '<' && text[i] != '>') || part_of_operator(text, i)) continue;
    depth += text[i] == '<' ? 1 : -1;
    if (depth == 0) return text.substr(open + 1, i - open - 1);
  }
  return {};
}

std::string_view without_result(std::string_view name) { return name.starts_with("void ") ? name.substr(5) : name; }

}  // namespace

std::string goroutine_function(std::string_view demangled) {
  static constexpr std::array<std::string_view, 4> kWrappers = {
      "netpoll::detail::spawn<", "netpoll::Runtime::run<", "netpoll::detail::WhenReadable<", "netpoll::detail::Boxed<"};
  std::string_view name = demangled;
  for (;;) {
    // The wrapper is the outermost function: only a return type may stand before it.
    std::string_view inner;
    for (const std::string_view wrapper : kWrappers) {
      const std::string_view plain = without_result(name);
      if (plain.starts_with(wrapper)) inner = template_argument(plain, wrapper.size() - 1);
    }
    if (inner.empty()) return std::string(name);
    name = inner;
  }
}

bool is_runtime_function(std::string_view demangled) {
  static constexpr std::array<std::string_view, 8> kOurs = {
      "netpoll::sched::",  "netpoll::poll::",        "netpoll::sync::",  "netpoll::context::",
      "netpoll::detail::", "netpoll::Runtime::run<", "netpoll_context_", "netpoll::Runtime::go<"};
  const std::string_view name = without_result(demangled);
  return std::any_of(kOurs.begin(), kOurs.end(), [name](std::string_view ours) { return name.starts_with(ours); });
}

}  // namespace netpoll::symbols
