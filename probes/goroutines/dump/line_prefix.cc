// Compares a line with a sample prefix, digits with digits.
#include "probes/goroutines/dump/line_prefix.h"

namespace netpoll::probes {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

bool only_blanks(std::string_view text) { return text.find_first_not_of(" \t") == std::string_view::npos; }

}  // namespace

bool LinePrefix::strip(std::string_view& line) const {
  std::size_t at = 0;
  for (std::size_t i = 0; i < sample_.size();) {
    if (at == line.size() && only_blanks(std::string_view(sample_).substr(i))) break;
    if (is_digit(sample_[i])) {
      const std::size_t digits = digits_at(line, at);
      if (digits == 0) return false;
      at += digits;
      i += digits_at(sample_, i);
    } else {
      if (at == line.size() || line[at] != sample_[i]) return false;
      ++at;
      ++i;
    }
  }
  line.remove_prefix(at);
  return true;
}

}  // namespace netpoll::probes
