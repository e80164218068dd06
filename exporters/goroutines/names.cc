// How functions and states of goroutines are called.
#include "exporters/goroutines/names.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "exporters/json.h"

namespace netpoll::exporters {
namespace {

bool is_word(char c) { return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

// The operator's symbol at the end of "operator<<", which brackets nothing; empty where rest does not begin with one.
std::string_view operator_symbol(std::string_view rest) {
  static constexpr std::array<std::string_view, 10> kSymbols = {"<=>", "<<=", ">>=", "->*", "<<",
                                                                ">>",  "<=",  ">=",  "->",  "()"};
  for (const std::string_view symbol : kSymbols) {
    if (rest.starts_with(symbol)) return symbol;
  }
  return !rest.empty() && (rest[0] == '<' || rest[0] == '>') ? rest.substr(0, 1) : std::string_view{};
}

}  // namespace

const trace::Frame* frame_at(const trace::GoroutineSnapshot& snapshot, const std::optional<std::uint32_t>& index) {
  return index && *index < snapshot.frames.size() ? &snapshot.frames[*index] : nullptr;
}

std::string plain_function(std::string_view name) {
  static constexpr std::string_view kAnonymous = "(anonymous namespace)::";
  static constexpr std::string_view kOperator = "operator";
  std::string out;
  int depth = 0;
  while (!name.empty()) {
    const char c = name.front();
    if (depth == 0 && name.starts_with(kAnonymous)) {
      name.remove_prefix(kAnonymous.size());
      continue;
    }
    if (name.starts_with(kOperator) && (out.empty() || !is_word(out.back()))) {
      const std::string_view symbol = operator_symbol(name.substr(kOperator.size()));
      if (depth == 0) out.append(kOperator).append(symbol);
      name.remove_prefix(kOperator.size() + symbol.size());
      continue;
    }
    // Go's receivers: "net.(*conn).Read".
    if (depth == 0 && c == '(' && name.starts_with("(*") && out.ends_with('.')) {
      const std::size_t end = std::min(name.find(')'), name.size() - 1) + 1;
      out += name.substr(0, end);
      name.remove_prefix(end);
      continue;
    }
    if (c == '<' || c == '(') ++depth;
    if (depth == 0) out += c;
    if ((c == '>' || c == ')') && depth > 0) --depth;
    name.remove_prefix(1);
  }
  static constexpr std::string_view kOurs = "netpoll::";
  return out.starts_with(kOurs) ? out.substr(kOurs.size()) : out;
}

std::string frame_name(const trace::Frame& frame) {
  return frame.function.empty() ? hex(frame.pc) : plain_function(frame.function);
}

std::string without_pollers_frames(std::string_view stack) {
  // Packages between the poller and who calls net or os; all of Go's internal ones.
  static constexpr std::string_view kPackages[] = {"bufio.", "crypto/tls.", "internal/", "io.",     "net.",
                                                   "os.",    "runtime.",    "sync.",     "syscall."};
  static constexpr std::string_view kNext = " < ";
  const std::size_t state = stack.find(": ");
  if (state == std::string_view::npos) return std::string(stack);
  std::string_view rest = stack.substr(state + 2);
  const auto is_go = [&rest](std::string_view package) { return rest.starts_with(package); };
  while (std::any_of(std::begin(kPackages), std::end(kPackages), is_go)) {
    const std::size_t next = rest.find(kNext);
    if (next == std::string_view::npos) return std::string(stack);
    rest.remove_prefix(next + kNext.size());
  }
  if (rest.size() + state + 2 == stack.size()) return std::string(stack);
  return std::string(stack.substr(0, state + 2)).append("..").append(kNext).append(rest);
}

std::vector<const trace::Frame*> shown_frames(const trace::GoroutineSnapshot& snapshot, const trace::Goroutine& g,
                                              bool everything) {
  std::vector<const trace::Frame*> frames;
  for (const std::uint32_t index : g.stack) {
    const trace::Frame* frame = frame_at(snapshot, index);
    if (frame != nullptr && (everything || !frame->hidden)) frames.push_back(frame);
  }
  const trace::Frame* entry = frame_at(snapshot, g.entry);
  if (frames.empty() && entry != nullptr) frames.push_back(entry);
  return frames;
}

std::string_view state_of(const trace::Goroutine& g) { return g.wait_reason.empty() ? g.status : g.wait_reason; }

std::optional<std::int64_t> known_wait_ns(const trace::Goroutine& g) {
  return g.wait_ns ? g.wait_ns : g.wait_at_least_ns;
}

}  // namespace netpoll::exporters
