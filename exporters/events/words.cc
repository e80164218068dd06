// Spells numbers of events.
#include "exporters/events/words.h"

#include <array>
#include <charconv>

namespace netpoll::exporters {
namespace {

struct Flag {
  std::uint32_t bit;
  std::string_view name;
};
// include/uapi/linux/eventpoll.h
constexpr std::array kPollEvents = {
    Flag{0x001, "IN"},
    Flag{0x002, "PRI"},
    Flag{0x004, "OUT"},
    Flag{0x008, "ERR"},
    Flag{0x010, "HUP"},
    Flag{0x020, "NVAL"},
    Flag{0x040, "RDNORM"},
    Flag{0x080, "RDBAND"},
    Flag{0x100, "WRNORM"},
    Flag{0x200, "WRBAND"},
    Flag{0x400, "MSG"},
    Flag{0x2000, "RDHUP"},
    Flag{1u << 27, "URING_WAKE"},
    Flag{1u << 28, "EXCLUSIVE"},
    Flag{1u << 29, "WAKEUP"},
    Flag{1u << 30, "ONESHOT"},
    Flag{1u << 31, "ET"},
};

void append_digits(std::string& out, auto value, int base = 10) {
  std::array<char, 24> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr);
}

}  // namespace

std::string_view ctl_op_name(std::int64_t op) {
  constexpr std::array<std::string_view, 4> kNames = {"", "ADD", "DEL", "MOD"};
  return op > 0 && op < 4 ? kNames.at(static_cast<std::size_t>(op)) : std::string_view{};
}

std::vector<std::string> poll_event_names(std::uint32_t mask) {
  std::vector<std::string> names;
  for (const Flag& flag : kPollEvents) {
    if ((mask & flag.bit) == 0) continue;
    names.emplace_back(flag.name);
    mask &= ~flag.bit;
  }
  if (mask != 0) append_hex(names.emplace_back(), mask);
  return names;
}

void append_poll_events(std::string& out, std::uint32_t mask) {
  if (mask == 0) {
    out += '0';
    return;
  }
  const std::size_t begin = out.size();
  for (const Flag& flag : kPollEvents) {
    if ((mask & flag.bit) == 0) continue;
    if (out.size() != begin) out += '|';
    out += flag.name;
    mask &= ~flag.bit;
  }
  if (mask == 0) return;
  if (out.size() != begin) out += '|';
  append_hex(out, mask);
}

void append_number(std::string& out, std::int64_t value) { append_digits(out, value); }
void append_unsigned(std::string& out, std::uint64_t value) { append_digits(out, value); }
void append_hex(std::string& out, std::uint64_t value) {
  out += "0x";
  append_digits(out, value, 16);
}

void append_arg_value(std::string& out, const trace::Arg& arg) {
  switch (arg.form) {
    case trace::ArgForm::kHex:
      append_hex(out, static_cast<std::uint64_t>(arg.value));
      return;
    case trace::ArgForm::kCtlOp:
      if (const std::string_view name = ctl_op_name(arg.value); !name.empty()) {
        out += name;
        return;
      }
      break;
    case trace::ArgForm::kPollEvents:
      append_poll_events(out, static_cast<std::uint32_t>(arg.value));
      return;
    case trace::ArgForm::kMode:
      if (arg.value == 0 || arg.value == 1) {
        out += arg.value == 0 ? "read" : "write";
        return;
      }
      break;
    case trace::ArgForm::kText:
      out += arg.text;
      return;
    case trace::ArgForm::kNumber:
    case trace::ArgForm::kFd:
    case trace::ArgForm::kMilliseconds:
    case trace::ArgForm::kNanoseconds:
      break;
  }
  append_number(out, arg.value);
}

}  // namespace netpoll::exporters
