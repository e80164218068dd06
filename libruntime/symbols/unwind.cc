// Applies rows of call frame information until a function says that nobody called it.
#include "libruntime/symbols/unwind.h"

#include <array>
#include <cstring>
#include <optional>

#include "netpoll/debug/abi.h"

namespace netpoll::symbols {
namespace {

constexpr std::size_t kMaxFrames = 512;

using Registers = std::array<std::optional<std::uint64_t>, kRegisters>;

// How a switch leaves a goroutine: which register lies in which word, where to go on, and how large that is.
struct SavedLayout {
  struct Word {
    int reg;
    std::size_t at;
  };
  std::span<const Word> words;
  std::size_t pc_at;
  std::size_t size;
  int sp;
};

// netpoll/debug/abi.h, SavedFrame. Numbers of registers: see code_map.h.
constexpr std::array<SavedLayout::Word, 6> kX64Words = {{{15, 1}, {14, 2}, {13, 3}, {12, 4}, {3, 5}, {6, 6}}};
constexpr std::array<SavedLayout::Word, 11> kAarch64Words = {
    {{19, 0}, {20, 1}, {21, 2}, {22, 3}, {23, 4}, {24, 5}, {25, 6}, {26, 7}, {27, 8}, {28, 9}, {29, 10}}};

std::optional<SavedLayout> layout_of(std::uint32_t saved_frame) {
  switch (static_cast<debug::SavedFrame>(saved_frame)) {
    case debug::SavedFrame::kX64:
      return SavedLayout{.words = kX64Words, .pc_at = 7, .size = 64, .sp = 7};
    case debug::SavedFrame::kAarch64:
      return SavedLayout{.words = kAarch64Words, .pc_at = 11, .size = 176, .sp = 31};
    case debug::SavedFrame::kUnknown:
      break;
  }
  return std::nullopt;
}

class Stack {
 public:
  Stack(std::uint64_t address, std::span<const std::byte> bytes) : address_(address), bytes_(bytes) {}

  std::optional<std::uint64_t> word(std::uint64_t address) const {
    if (address < address_ || address - address_ > bytes_.size() || bytes_.size() - (address - address_) < 8) {
      return std::nullopt;
    }
    std::uint64_t value;
    std::memcpy(&value, bytes_.data() + (address - address_), sizeof(value));
    return value;
  }

 private:
  std::uint64_t address_;
  std::span<const std::byte> bytes_;
};

// The registers of the caller; false where its return address is not to be had.
bool step(const CfiRow& row, const Stack& stack, int sp, Registers& registers, std::uint64_t& cfa) {
  const auto base = registers[static_cast<std::size_t>(row.cfa_register)];
  if (!base) return false;
  cfa = *base + static_cast<std::uint64_t>(row.cfa_offset);
  Registers caller;
  for (std::size_t i = 0; i < kRegisters; ++i) {
    const CfiRow::Rule& rule = row.rules[i];
    const std::uint64_t at = cfa + static_cast<std::uint64_t>(rule.offset);
    switch (rule.where) {
      case CfiRow::Where::kSame:
        caller[i] = registers[i];
        break;
      case CfiRow::Where::kAtCfa:
        caller[i] = stack.word(at);
        break;
      case CfiRow::Where::kIsCfa:
        caller[i] = at;
        break;
      case CfiRow::Where::kUndefined:
        break;
    }
  }
  caller[static_cast<std::size_t>(sp)] = cfa;
  registers = caller;
  return registers[static_cast<std::size_t>(row.return_register)].has_value();
}

// Where a stack is followed from. code_at: the code of the first address; that of the others is the call before them.
struct Start {
  Registers registers;
  std::uint64_t pc = 0;
  std::uint64_t code_at = 0;
  std::uint64_t sp = 0;
};

// Adds addresses to result, and why they end too early.
void follow(CodeMap& code, const Start& start, const Stack& stack, int sp, bool whole, Unwound& result) {
  const std::string_view out_of_copy =
      whole ? "the stack does not fit the code's call frame information" : "it is deeper than was read";
  Registers registers = start.registers;
  std::uint64_t last_cfa = start.sp;
  result.pcs.push_back(start.pc);
  for (std::uint64_t code_at = start.code_at;;) {
    const CfiRow* row = code.cfi_row(code_at);
    if (row == nullptr) {
      result.ends_early = "no call frame information";
      return;
    }
    if (row->outermost()) return;
    if (row->cfa_register != kNoRegister && !registers[static_cast<std::size_t>(row->cfa_register)]) {
      result.ends_early = "a register that it is found by is not known";
      return;
    }
    std::uint64_t cfa = 0;
    // What was interrupted at its first instruction may not have pushed anything yet.
    const bool first = result.pcs.size() == 1;
    if (row->cfa_register == kNoRegister || !step(*row, stack, sp, registers, cfa) ||
        (first ? cfa < last_cfa : cfa <= last_cfa)) {
      result.ends_early = out_of_copy;
      return;
    }
    if (result.pcs.size() == kMaxFrames) {
      result.ends_early = "more frames than are read";
      return;
    }
    last_cfa = cfa;
    const std::uint64_t at = *registers[static_cast<std::size_t>(row->return_register)];
    result.pcs.push_back(at);
    if (at == 0) return;
    // A return address may already belong to the next function; the call before it does not.
    code_at = at - 1;
  }
}

}  // namespace

Unwound unwind(CodeMap& code, std::uint32_t saved_frame, std::uint64_t sp, std::span<const std::byte> bytes,
               bool whole) {
  Unwound result;
  const auto layout = layout_of(saved_frame);
  const Stack stack(sp, bytes);
  const auto pc = layout ? stack.word(sp + 8 * layout->pc_at) : std::nullopt;
  if (!pc) {
    result.ends_early = layout ? "its stack could not be read" : "its registers are saved in a way that is unknown";
    return result;
  }
  if (*pc == 0) {
    // A core that lacks these pages has zeros in their place: gdb stops at the guard below the first stack.
    result.ends_early = "its stack is empty";
    return result;
  }
  Start start{.registers = {}, .pc = *pc, .code_at = *pc - 1, .sp = sp};
  for (const auto& [reg, at] : layout->words) start.registers[static_cast<std::size_t>(reg)] = stack.word(sp + 8 * at);
  start.registers[static_cast<std::size_t>(layout->sp)] = sp + layout->size;
  if (const CfiRow* first = code.cfi_row(*pc); first != nullptr && first->outermost() && first->start == *pc) {
    result.pcs.push_back(*pc);
    result.at_start = true;
    return result;
  }
  follow(code, start, stack, layout->sp, whole, result);
  return result;
}

Unwound unwind_running(CodeMap& code, std::uint32_t saved_frame, const RunningRegisters& registers,
                       std::span<const std::byte> bytes, bool whole) {
  Unwound result;
  const auto layout = layout_of(saved_frame);
  if (!layout || registers.pc == 0) {
    result.ends_early = "its registers are saved in a way that is unknown";
    return result;
  }
  result.interrupted = true;
  Start start{.registers = {}, .pc = registers.pc, .code_at = registers.pc, .sp = registers.sp};
  for (const auto& [reg, value] : registers.others) {
    if (reg >= 0 && static_cast<std::size_t>(reg) < kRegisters) start.registers[static_cast<std::size_t>(reg)] = value;
  }
  start.registers[static_cast<std::size_t>(layout->sp)] = registers.sp;
  follow(code, start, Stack(registers.sp, bytes), layout->sp, whole, result);
  return result;
}

}  // namespace netpoll::symbols
