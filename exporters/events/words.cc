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

std::int64_t arg_of(const trace::Record& record, std::string_view name, std::int64_t otherwise) {
  for (std::size_t i = 0; i < record.argc; ++i) {
    if (record.args.at(i).name == name) return record.args.at(i).value;
  }
  return otherwise;
}

bool waits_to_write(std::string_view call) {
  return call.find("write") != std::string_view::npos || call.starts_with("send") || call == "connect";
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

std::uint64_t number_of(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  return err == std::errc() && end == text.data() + text.size() ? value : 0;
}

std::uint32_t poll_event_of(std::string_view name) {
  for (const Flag& flag : kPollEvents) {
    if (flag.name == name) return flag.bit;
  }
  return name.starts_with("0x") ? static_cast<std::uint32_t>(number_of(name)) : 0;
}

bool parse_arg_value(trace::Arg& arg, std::string_view text) {
  switch (arg.form) {
    case trace::ArgForm::kHex:
      if (!text.starts_with("0x")) return false;
      arg.value = static_cast<std::int64_t>(number_of(text));
      return true;
    case trace::ArgForm::kCtlOp:
      for (std::int64_t op = 1; op < 4; ++op) {
        if (ctl_op_name(op) == text) arg.value = op;
      }
      return arg.value != 0 || std::from_chars(text.data(), text.data() + text.size(), arg.value).ec == std::errc();
    case trace::ArgForm::kMode:
      if (text == "read" || text == "write") {
        arg.value = text == "read" ? 0 : 1;
        return true;
      }
      return std::from_chars(text.data(), text.data() + text.size(), arg.value).ec == std::errc();
    case trace::ArgForm::kPollEvents:
    case trace::ArgForm::kText:
    case trace::ArgForm::kNumber:
    case trace::ArgForm::kFd:
    case trace::ArgForm::kMilliseconds:
    case trace::ArgForm::kNanoseconds:
      break;
  }
  return false;
}

std::string_view arg_form_name(trace::ArgForm form) {
  switch (form) {
    case trace::ArgForm::kFd:
      return "fd";
    case trace::ArgForm::kHex:
      return "hex";
    case trace::ArgForm::kCtlOp:
      return "epoll_ctl operation";
    case trace::ArgForm::kPollEvents:
      return "epoll events";
    case trace::ArgForm::kMilliseconds:
      return "ms";
    case trace::ArgForm::kNanoseconds:
      return "ns";
    case trace::ArgForm::kMode:
      return "read or write";
    case trace::ArgForm::kText:
      return "text";
    case trace::ArgForm::kNumber:
      break;
  }
  return "number";
}

trace::ArgForm arg_form_of(std::string_view name) {
  using trace::ArgForm;
  for (const ArgForm form : {ArgForm::kFd, ArgForm::kHex, ArgForm::kCtlOp, ArgForm::kPollEvents, ArgForm::kMilliseconds,
                             ArgForm::kNanoseconds, ArgForm::kMode, ArgForm::kText}) {
    if (arg_form_name(form) == name) return form;
  }
  return ArgForm::kNumber;
}

}  // namespace netpoll::exporters
