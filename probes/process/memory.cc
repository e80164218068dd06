// What every Memory does alike.
#include "probes/process/memory.h"

#include <array>
#include <cstdio>
#include <string>

namespace netpoll::probes {

Result<bool> Memory::try_read(std::uint64_t address, void* into, std::size_t size) {
  ReadPiece piece{.address = address, .into = into, .size = size};
  if (auto r = read_batch({&piece, 1}); !r) return std::move(r).error();
  return piece.done;
}

Result<void> Memory::read(std::uint64_t address, void* into, std::size_t size) {
  const auto done = try_read(address, into, size);
  if (!done) return done.error();
  if (!*done) {
    std::array<char, 20> digits;
    std::snprintf(digits.data(), digits.size(), "0x%llx", static_cast<unsigned long long>(address));
    return Error(ErrorKind::kProtocol, std::to_string(size) + " bytes at " + digits.data() + " are not readable");
  }
  return {};
}

}  // namespace netpoll::probes
