// Parses operands in assembler syntax.
#include "probes/process/elf/usdt_args.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string>

namespace netpoll::probes {
namespace {

struct Register {
  std::string_view name;
  std::uint16_t number;  // of the 8-byte word in struct pt_regs
  std::uint8_t size;
};

#if defined(__x86_64__)
// arch/x86/include/asm/ptrace.h: r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss. The
// second byte of a register (%ah) is not among them.
constexpr std::array kRegisters = {
    Register{"rax", 10, 8}, Register{"eax", 10, 4}, Register{"ax", 10, 2},  Register{"al", 10, 1},
    Register{"rbx", 5, 8},  Register{"ebx", 5, 4},  Register{"bx", 5, 2},   Register{"bl", 5, 1},
    Register{"rcx", 11, 8}, Register{"ecx", 11, 4}, Register{"cx", 11, 2},  Register{"cl", 11, 1},
    Register{"rdx", 12, 8}, Register{"edx", 12, 4}, Register{"dx", 12, 2},  Register{"dl", 12, 1},
    Register{"rsi", 13, 8}, Register{"esi", 13, 4}, Register{"si", 13, 2},  Register{"sil", 13, 1},
    Register{"rdi", 14, 8}, Register{"edi", 14, 4}, Register{"di", 14, 2},  Register{"dil", 14, 1},
    Register{"rbp", 4, 8},  Register{"ebp", 4, 4},  Register{"bp", 4, 2},   Register{"bpl", 4, 1},
    Register{"rsp", 19, 8}, Register{"esp", 19, 4}, Register{"sp", 19, 2},  Register{"spl", 19, 1},
    Register{"r8", 9, 8},   Register{"r8d", 9, 4},  Register{"r8w", 9, 2},  Register{"r8b", 9, 1},
    Register{"r9", 8, 8},   Register{"r9d", 8, 4},  Register{"r9w", 8, 2},  Register{"r9b", 8, 1},
    Register{"r10", 7, 8},  Register{"r10d", 7, 4}, Register{"r10w", 7, 2}, Register{"r10b", 7, 1},
    Register{"r11", 6, 8},  Register{"r11d", 6, 4}, Register{"r11w", 6, 2}, Register{"r11b", 6, 1},
    Register{"r12", 3, 8},  Register{"r12d", 3, 4}, Register{"r12w", 3, 2}, Register{"r12b", 3, 1},
    Register{"r13", 2, 8},  Register{"r13d", 2, 4}, Register{"r13w", 2, 2}, Register{"r13b", 2, 1},
    Register{"r14", 1, 8},  Register{"r14d", 1, 4}, Register{"r14w", 1, 2}, Register{"r14b", 1, 1},
    Register{"r15", 0, 8},  Register{"r15d", 0, 4}, Register{"r15w", 0, 2}, Register{"r15b", 0, 1},
};

std::optional<std::uint16_t> register_offset(std::string_view name) {
  for (const Register& r : kRegisters) {
    if (r.name == name) return static_cast<std::uint16_t>(r.number * 8);
  }
  return std::nullopt;
}
#elif defined(__aarch64__)
// arch/arm64/include/asm/ptrace.h: x0 to x30, sp.
std::optional<std::uint16_t> register_offset(std::string_view name) {
  if (name == "sp") return 31 * 8;
  unsigned number = 0;
  if (name.size() < 2 || (name[0] != 'x' && name[0] != 'w')) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || number > 30) return std::nullopt;
  return static_cast<std::uint16_t>(number * 8);
}
#endif

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What stands behind the '@'.
void parse_operand(std::string_view text, UsdtArg& arg) {
#if defined(__x86_64__)
  if (text.starts_with('$')) {
    if (const auto value = number_of(text.substr(1))) {
      arg.place = UsdtArg::Place::kConst;
      arg.value = *value;
    }
    return;
  }
  if (text.starts_with('%')) {
    if (const auto offset = register_offset(text.substr(1))) {
      arg.place = UsdtArg::Place::kRegister;
      arg.register_offset = *offset;
    }
    return;
  }
  // disp(%base); with an index or relative to the code it is left alone.
  const auto open = text.find("(%");
  if (open == std::string_view::npos || !text.ends_with(')')) return;
  const auto base = register_offset(text.substr(open + 2, text.size() - open - 3));
  const auto displacement = open == 0 ? std::optional<std::int64_t>(0) : number_of(text.substr(0, open));
#elif defined(__aarch64__)
  if (const auto value = number_of(text)) {
    arg.place = UsdtArg::Place::kConst;
    arg.value = *value;
    return;
  }
  if (const auto offset = register_offset(text)) {
    arg.place = UsdtArg::Place::kRegister;
    arg.register_offset = *offset;
    return;
  }
  // [base] or [base, disp]; blanks are gone.
  if (!text.starts_with('[') || !text.ends_with(']')) return;
  const std::string_view inside = text.substr(1, text.size() - 2);
  const auto comma = inside.find(',');
  const auto base = register_offset(inside.substr(0, comma));
  const auto displacement =
      comma == std::string_view::npos ? std::optional<std::int64_t>(0) : number_of(inside.substr(comma + 1));
#endif
  if (!base || !displacement) return;
  arg.place = UsdtArg::Place::kMemory;
  arg.register_offset = *base;
  arg.value = *displacement;
}

}  // namespace

std::vector<UsdtArg> parse_usdt_args(std::string_view text) {
  std::vector<UsdtArg> args;
  std::string word;
  const auto finish = [&] {
    if (word.empty()) return;
    UsdtArg arg;
    const auto at = word.find('@');
    if (at != std::string::npos) {
      if (const auto size = number_of(std::string_view(word).substr(0, at));
          size && std::abs(*size) <= 8 && *size != 0) {
        arg.size = static_cast<std::uint8_t>(std::abs(*size));
        arg.is_signed = *size < 0;
        parse_operand(std::string_view(word).substr(at + 1), arg);
      }
    }
    args.push_back(arg);
    word.clear();
  };
  bool bracket = false;
  for (const char c : text) {
    if (c == '[') bracket = true;
    if (c == ']') bracket = false;
    if (c != ' ') {
      word += c;
    } else if (!bracket) {
      finish();
    }
  }
  finish();
  return args;
}

}  // namespace netpoll::probes
