// CoreSize: how large a core says that it is, learnt from its first bytes while they are unpacked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "netpoll/result.h"

namespace netpoll::probes {

// A few kilobytes can be unpacked into any number of bytes: what is no ELF file is not unpacked any further, nor is one
// beyond the end of what its headers name. An ELF file that tells its end elsewhere (more than 65,534 segments; elf(5),
// PN_XNUM) has no bound of its own here.
class CoreSize {
 public:
  // The next bytes of the core. kProtocol: it is none, or longer than it says.
  Result<void> add(std::span<const std::byte> bytes);

 private:
  Result<void> look();

  std::vector<std::byte> head_;  // until the segments are known
  std::uint64_t seen_ = 0;
  std::uint64_t end_ = UINT64_MAX;
  bool known_ = false;  // whatever can be told from the head
};

}  // namespace netpoll::probes
