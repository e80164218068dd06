// The parsers of durations, sizes and counts.
#include "cli/units.h"

#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace netpoll::cli {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 6> kTime{{{"ns", 1},
                                     {"us", 1'000},
                                     {"ms", 1'000'000},
                                     {"s", 1'000'000'000},
                                     {"m", 60'000'000'000},
                                     {"h", 3'600'000'000'000}}};
constexpr std::array<Unit, 7> kSize{{{"", 1},
                                     {"k", 1'000},
                                     {"M", 1'000'000},
                                     {"G", 1'000'000'000},
                                     {"Ki", 1ULL << 10},
                                     {"Mi", 1ULL << 20},
                                     {"Gi", 1ULL << 30}}};
constexpr std::array<Unit, 3> kCount{{{"", 1}, {"k", 1'000}, {"M", 1'000'000}}};

constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

Error invalid(std::string_view what, std::string_view text, std::string_view why, std::string hint) {
  return Error(ErrorKind::kInvalid, std::string(what) + ": \"" + std::string(text) + "\" " + std::string(why))
      .with_hint(std::move(hint));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

enum class Fault { kSyntax, kUnit, kTooLarge, kFraction };

// Takes "12.5ms" off the front of text. A fraction must come out whole in the base unit.
template <std::size_t N>
std::optional<Fault> take(std::string_view& text, const std::array<Unit, N>& units, std::uint64_t& value) {
  const char* const end = text.data() + text.size();
  std::uint64_t whole = 0;
  auto [next, err] = std::from_chars(text.data(), end, whole);
  if (err == std::errc::result_out_of_range) return Fault::kTooLarge;
  if (err != std::errc()) return Fault::kSyntax;
  std::string_view fraction;
  if (next != end && *next == '.') {
    const char* const first = ++next;
    while (next != end && is_digit(*next)) ++next;
    fraction = {first, static_cast<std::size_t>(next - first)};
    if (fraction.empty()) return Fault::kSyntax;
  }
  const char* const suffix = next;
  while (next != end && !is_digit(*next)) ++next;
  std::string_view name{suffix, static_cast<std::size_t>(next - suffix)};
  text = {next, static_cast<std::size_t>(end - next)};

  const Unit* unit = nullptr;
  for (const Unit& candidate : units) {
    if (candidate.name == name) unit = &candidate;
  }
  if (unit == nullptr) return Fault::kUnit;
  if (whole > kLargest / unit->factor) return Fault::kTooLarge;
  value = whole * unit->factor;
  while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
  if (fraction.size() > 15) return Fault::kFraction;
  std::uint64_t numerator = 0;
  std::uint64_t denominator = 1;
  for (const char c : fraction) {
    numerator = numerator * 10 + static_cast<std::uint64_t>(c - '0');
    denominator *= 10;
  }
  const auto scaled = static_cast<unsigned __int128>(numerator) * unit->factor;
  if (scaled % denominator != 0) return Fault::kFraction;
  value += static_cast<std::uint64_t>(scaled / denominator);
  return value > kLargest ? std::optional(Fault::kTooLarge) : std::nullopt;
}

template <std::size_t N>
Result<std::uint64_t> parse_scaled(std::string_view text, std::string_view what, const std::array<Unit, N>& units,
                                   std::string_view kind, const std::string& hint) {
  std::string_view rest = text;
  std::uint64_t value = 0;
  const auto fault = take(rest, units, value);
  if (fault == Fault::kTooLarge) return invalid(what, text, "is too large", hint);
  if (fault || !rest.empty()) return invalid(what, text, std::string("is not ") + std::string(kind), hint);
  return value;
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text, std::string_view what) {
  const std::string hint = "a number with its unit, ns us ms s m h: 500ms, 2s, 1m30s";
  std::uint64_t total = 0;
  std::string_view rest = text;
  do {
    std::uint64_t value = 0;
    const auto fault = take(rest, kTime, value);
    if (fault == Fault::kTooLarge || value > kLargest - total) return invalid(what, text, "is too large", hint);
    if (fault == Fault::kUnit && rest.empty() && !text.empty() && is_digit(text.back())) {
      return invalid(what, text, "has no unit",
                     "write " + std::string(text) + "s for seconds; units are ns us ms s m h");
    }
    if (fault) return invalid(what, text, "is not a duration", hint);
    total += value;
  } while (!rest.empty());
  return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
}

Result<std::uint64_t> parse_size(std::string_view text, std::string_view what) {
  std::string_view digits = text;
  if (digits.size() > 1 && digits.back() == 'B') digits.remove_suffix(1);
  auto size =
      parse_scaled(digits, what, kSize, "a size", "bytes, or a number with k M G (1000) or Ki Mi Gi (1024): 64Ki");
  return size;
}

Result<std::uint64_t> parse_count(std::string_view text, std::string_view what) {
  return parse_scaled(text, what, kCount, "a number", "a whole number, with k or M if you like: 100000, 100k");
}

Result<std::int64_t> parse_integer(std::string_view text, std::string_view what, std::int64_t low, std::int64_t high) {
  const std::string range = "between " + std::to_string(low) + " and " + std::to_string(high);
  std::int64_t value = 0;
  const auto [next, err] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (err == std::errc::invalid_argument || next != text.data() + text.size()) {
    return invalid(what, text, "is not a whole number", range);
  }
  if (err != std::errc() || value < low || value > high) return invalid(what, text, "is out of range", range);
  return value;
}

Result<pid_t> parse_pid(std::string_view text) {
  // PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h).
  auto pid = parse_integer(text, "-p", 1, 4'194'304);
  if (!pid) return std::move(pid).error().with_hint("a process id, as pidof NAME prints it; or --comm NAME");
  return static_cast<pid_t>(*pid);
}

Result<int> parse_descriptor(std::string_view text, std::string_view what) {
  const auto fd = parse_integer(text, what, 0, 1'073'741'816);  // fs.nr_open cannot be larger
  if (!fd) return fd.error();
  return static_cast<int>(*fd);
}

std::string duration_text(std::chrono::nanoseconds value) {
  const auto ns = static_cast<std::uint64_t>(value.count());
  for (std::size_t i = kTime.size(); i-- > 0;) {
    if (ns != 0 && ns % kTime[i].factor == 0) return std::to_string(ns / kTime[i].factor) + std::string(kTime[i].name);
  }
  return std::to_string(ns) + "ns";
}

}  // namespace netpoll::cli
