// What differs between the machines that Go programs run on; the executable's ELF header tells which it is.
#pragma once

#include <cstdint>
#include <vector>

#include "probes/process/bytes.h"

namespace netpoll::probes {

struct GoArch {
  std::uint16_t elf_machine = 0;
  // The return address is passed in a register: a function without a frame has it there, one with a frame keeps it at
  // the low end instead of above (Go's runtime/traceback.go, usesLR).
  bool link_register = false;
  // The addresses that code, which stands at address, may refer to relative to its own place. Some are false: whoever
  // asks has to check them.
  std::vector<std::uint64_t> (*references)(Bytes code, std::uint64_t address);
};

// Null: none that we know.
const GoArch* go_arch(std::uint16_t elf_machine);

}  // namespace netpoll::probes
