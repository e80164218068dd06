// The machines that are known, each a row.
#include "probes/goroutines/go/arch.h"

#include <elf.h>

#include <array>

namespace netpoll::probes {
namespace {

// Instructions "REX.W op modrm disp32" whose operand is RIP-relative, at every position, instruction or not.
std::vector<std::uint64_t> x86_64_references(Bytes code, std::uint64_t address) {
  std::vector<std::uint64_t> found;
  for (std::uint64_t at = 0; at + 7 <= code.size(); ++at) {
    const unsigned prefix = *code.at<std::uint8_t>(at);
    const unsigned operation = *code.at<std::uint8_t>(at + 1);
    const unsigned operand = *code.at<std::uint8_t>(at + 2);
    if ((prefix & 0xfa) != 0x48 || (operand & 0xc7) != 0x05) continue;
    const std::int64_t distance = *code.at<std::int32_t>(at + 3);
    switch (operation) {
      case 0x01:  // add
      case 0x03:
      case 0x39:  // cmp
      case 0x3b:
      case 0x63:  // movsxd
      case 0x87:  // xchg
      case 0x89:  // mov
      case 0x8b:
      case 0x8d:  // lea
        found.push_back(address + at + 7 + static_cast<std::uint64_t>(distance));
        break;
      case 0x83:  // add or cmp with a byte behind the distance
        found.push_back(address + at + 8 + static_cast<std::uint64_t>(distance));
        break;
      default:
        break;
    }
  }
  return found;
}

// ADRP, which gives a register the address of a page, and what adds an offset to that register before another ADRP
// takes it: ADD (immediate), LDR and STR (64 bits, unsigned offset). Arm Architecture Reference Manual, C6.2.
std::vector<std::uint64_t> aarch64_references(Bytes code, std::uint64_t address) {
  std::vector<std::uint64_t> found;
  std::array<std::uint64_t, 32> page{};
  for (std::uint64_t at = 0; at + 4 <= code.size(); at += 4) {
    const std::uint32_t word = *code.at<std::uint32_t>(at);
    const std::uint64_t base = page[(word >> 5) & 31];
    const std::uint64_t immediate = (word >> 10) & 0xfff;
    if ((word & 0x9f000000) == 0x90000000) {
      const std::uint64_t pages = ((word >> 29) & 3) | ((word >> 3) & 0x1ffffc);
      const std::uint64_t extended = (pages ^ 0x100000) - 0x100000;
      page[word & 31] = ((address + at) & ~std::uint64_t{0xfff}) + (extended << 12);
    } else if (base != 0 && (word & 0xffc00000) == 0x91000000) {
      found.push_back(base + immediate);
    } else if (base != 0 && (word & 0xff800000) == 0xf9000000) {
      found.push_back(base + immediate * 8);
    }
  }
  return found;
}

constexpr std::array<GoArch, 2> kArchs = {{
    {.elf_machine = EM_X86_64, .link_register = false, .references = x86_64_references},
    {.elf_machine = EM_AARCH64, .link_register = true, .references = aarch64_references},
}};

}  // namespace

const GoArch* go_arch(std::uint16_t elf_machine) {
  for (const GoArch& arch : kArchs) {
    if (arch.elf_machine == elf_machine) return &arch;
  }
  return nullptr;
}

}  // namespace netpoll::probes
