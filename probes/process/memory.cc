// What every Memory does alike.
#include "probes/process/memory.h"

#include <array>
#include <cstdio>
#include <string>

namespace netpoll::probes {

Result<void> Memory::read(std::uint64_t address, void* into, std::size_t size) {
  ReadPiece piece{.address = address, .into = into, .size = size};
  if (auto r = read_batch({&piece, 1}); !r) return r;
  if (!piece.done) {
    std::array<char, 20> digits;
    std::snprintf(digits.data(), digits.size(), "0x%llx", static_cast<unsigned long long>(address));
    return Error(ErrorKind::kProtocol, std::to_string(size) + " bytes at " + digits.data() + " are not readable");
  }
  return {};
}

}  // namespace netpoll::probes
