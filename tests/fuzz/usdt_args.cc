// The texts that say where a USDT probe's arguments are.
#include "probes/process/elf/usdt_args.h"

#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)netpoll::probes::parse_usdt_args(netpoll::test::text_of(data, size));
  return 0;
}
