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
  const std::string_view out_of_copy =
      whole ? "the stack does not fit the code's call frame information" : "it is deeper than was read";
  Registers registers;
  for (const auto& [reg, at] : layout->words) registers[static_cast<std::size_t>(reg)] = stack.word(sp + 8 * at);
  registers[static_cast<std::size_t>(layout->sp)] = sp + layout->size;

  result.pcs.push_back(*pc);
  if (const CfiRow* first = code.cfi_row(*pc); first != nullptr && first->outermost() && first->start == *pc) {
    result.at_start = true;
    return result;
  }
  std::uint64_t last_cfa = sp;
  for (std::uint64_t at = *pc;;) {
    if (at == 0) return result;
    // A return address may already belong to the next function; the call before it does not.
    const CfiRow* row = code.cfi_row(at - 1);
    if (row == nullptr) {
      result.ends_early = "no call frame information";
      return result;
    }
    if (row->outermost()) return result;
    std::uint64_t cfa = 0;
    if (row->cfa_register == kNoRegister || !step(*row, stack, layout->sp, registers, cfa) || cfa <= last_cfa) {
      result.ends_early = out_of_copy;
      return result;
    }
    if (result.pcs.size() == kMaxFrames) {
      result.ends_early = "more frames than are read";
      return result;
    }
    last_cfa = cfa;
    at = *registers[static_cast<std::size_t>(row->return_register)];
    result.pcs.push_back(at);
  }
}

}  // namespace netpoll::symbols
