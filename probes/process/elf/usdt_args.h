// usdt_args reads the part of a USDT note that says where the probe's arguments are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace netpoll::probes {

struct UsdtArg {
  enum class Place : std::uint8_t {
    kUnknown,  // written in a way that we do not read; the argument is there, its value is not known
    kConst,    // value
    kRegister,
    kMemory,  // at register + value
  };
  Place place = Place::kUnknown;
  std::int64_t value = 0;
  std::uint16_t register_offset = 0;  // in the kernel's struct pt_regs of this machine
  std::uint8_t size = 8;              // in bytes
  bool is_signed = false;
};

// "8@%rdi -4@$5 8@-16(%rbp)" (x86-64), "8@x1 4@[sp, 16]" (aarch64), as the assembler was given them by <sys/sdt.h>. One
// for each word of the text; its format: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation
std::vector<UsdtArg> parse_usdt_args(std::string_view text);

}  // namespace netpoll::probes
