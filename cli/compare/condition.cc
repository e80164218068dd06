// The parser of conditions, and what a condition says of two numbers.
#include "cli/compare/condition.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "cli/units.h"

namespace netpoll::cli {
namespace {

using Op = Condition::Op;

struct OpRow {
  std::string_view text;
  Op op;
};
// Longer ones first: ">=" also begins with ">".
constexpr OpRow kOps[] = {{">=", Op::kGreaterEqual}, {"<=", Op::kLessEqual}, {"==", Op::kEqual},
                          {"!=", Op::kNotEqual},     {">", Op::kGreater},    {"<", Op::kLess}};

constexpr std::string_view kOfPaths = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/ \t";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool parse_plain(std::string_view text, double& value) {
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::general);
  return err == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

// How many characters of UTF-8 there are.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; }));
}

// The first of them.
std::string_view first_character(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80) ++size;
  return text.substr(0, size);
}

// A limit without sign and percent, in the unit of its path.
Result<double> parse_amount(std::string_view text, const Condition& condition, std::string_view flag) {
  double value = 0;
  if (!text.starts_with('-') && !text.starts_with('+') && parse_plain(text, value)) return value;
  const std::string what = std::string(flag) + " '" + condition.text + "'";
  const auto invalid = [&](std::string_view kind) {
    const std::size_t at = characters(condition.text.substr(0, condition.text.rfind(text)));
    return Error(ErrorKind::kInvalid, what + ": \"" + std::string(text) + "\" at character " + std::to_string(at + 1) +
                                          " is not a " + std::string(kind));
  };
  if (condition.path.find("_ns") != std::string::npos) {
    const auto duration = parse_duration(text, what);
    if (!duration) return invalid("duration").with_hint(duration.error().hint());
    return static_cast<double>(duration->count());
  }
  const auto size = parse_size(text, what);
  if (!size) {
    return invalid("limit").with_hint(
        "a number, a change (+100), a relative change (+2%), or for paths in ns a duration (5ms)");
  }
  return static_cast<double>(*size);
}

}  // namespace

Result<Condition> parse_condition(std::string_view text, std::string_view flag) {
  Condition condition;
  condition.text = std::string(trimmed(text));
  const std::string_view whole = condition.text;
  // Which character of the text is wrong, counted from 1.
  const auto invalid = [&](std::string_view why, std::size_t at) {
    std::string where = " at character " + std::to_string(characters(whole.substr(0, at)) + 1);
    if (at < whole.size()) where += ", '" + std::string(first_character(whole.substr(at))) + "'";
    if (at >= whole.size()) where = " at its end";
    return Error(ErrorKind::kInvalid,
                 std::string(flag) + " '" + condition.text + "' " + std::string(why) + " (" + where.substr(1) + ")")
        .with_hint("PATH OP LIMIT, for example 'syscalls.epoll_ctl.per_op > +2%'; OP is one of > >= < <= == !=");
  };
  const auto at = whole.find_first_of("<>=!");
  if (at == std::string_view::npos) {
    // Where a path ends, something like a comparison may stand.
    return invalid("has no comparison", std::min(whole.find_first_not_of(kOfPaths), whole.size()));
  }
  const std::string_view rest = whole.substr(at);
  std::string_view limit;
  for (const OpRow& row : kOps) {
    if (!rest.starts_with(row.text)) continue;
    condition.op = row.op;
    limit = trimmed(rest.substr(row.text.size()));
    if (limit.empty()) return invalid("has no limit", whole.size());
    break;
  }
  condition.path = std::string(trimmed(whole.substr(0, at)));
  if (condition.path.starts_with('.')) condition.path.erase(0, 1);  // as jq spells it
  if (condition.path.empty()) return invalid("has no path", 0);
  if (const auto blank = condition.path.find_first_of(" \t"); blank != std::string::npos) {
    return invalid("has a blank in its path", whole.find_first_of(" \t"));
  }
  if (limit.empty()) return invalid("has no comparison that is known", at);
  const auto offset = [&](std::string_view part) { return static_cast<std::size_t>(part.data() - whole.data()); };
  if (const auto second = limit.find_first_of("<>=!"); second != std::string_view::npos) {
    return invalid("has no limit", offset(limit) + second);
  }

  const bool negative = limit.front() == '-';
  const bool is_signed = negative || limit.front() == '+';
  if (is_signed) limit.remove_prefix(1);
  if (limit.ends_with('%')) {
    condition.against = Condition::Against::kPercent;
    limit = trimmed(limit.substr(0, limit.size() - 1));
    if (limit.starts_with('-') || limit.starts_with('+') || !parse_plain(limit, condition.limit)) {
      // The first character that cannot belong to the number.
      const auto wrong = std::min(limit.find_first_not_of("0123456789."), limit.size());
      return invalid("has no number before %", offset(limit) + wrong);
    }
  } else {
    condition.against = is_signed ? Condition::Against::kDifference : Condition::Against::kValue;
    if (limit.empty()) return invalid("has no limit", whole.size());
    auto amount = parse_amount(limit, condition, flag);
    if (!amount) return amount.error();
    condition.limit = *amount;
  }
  if (negative) condition.limit = -condition.limit;
  return condition;
}

bool Condition::holds(double base, double head) const {
  double value = head;
  if (against == Against::kDifference) value = head - base;
  if (against == Against::kPercent) {
    const double change = head - base;
    if (change == 0) {
      value = 0;
    } else if (base == 0) {
      value = std::copysign(std::numeric_limits<double>::infinity(), change);
    } else {
      value = 100 * change / std::abs(base);
    }
  }
  switch (op) {
    case Op::kGreater:
      return value > limit;
    case Op::kGreaterEqual:
      return value >= limit;
    case Op::kLess:
      return value < limit;
    case Op::kLessEqual:
      return value <= limit;
    case Op::kEqual:
      return value == limit;
    case Op::kNotEqual:
      return value != limit;
  }
  return false;
}

}  // namespace netpoll::cli
