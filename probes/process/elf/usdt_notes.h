// usdt_notes reads the USDT probes that an executable declares: the .note.stapsdt entries that <sys/sdt.h> leaves in
// it. Format: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/result.h"

namespace netpoll::probes {

// One place in the code where a probe sits. The compiler may have inlined a probe into several places: each is a site
// of the same name, and all of them share one semaphore.
struct UsdtSite {
  std::string name;
  std::uint64_t offset = 0;            // of the instruction, in the file
  std::uint64_t semaphore_offset = 0;  // of the 16-bit semaphore, in the file; 0: the probe has none
  std::string args;                    // where the arguments are: see usdt_args.h
};

// Returns the sites of provider in the ELF file at path, in file order; none is an empty list. Fails when the file
// cannot be read (kSystem, kPermission, kNotFound), is no ELF file or lies about its own layout (kProtocol), or is of
// the other word size (kNotSupported). Every offset is checked: the file may be hostile.
Result<std::vector<UsdtSite>> read_usdt_sites(const std::string& path, std::string_view provider);

}  // namespace netpoll::probes
