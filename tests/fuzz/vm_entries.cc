// FreeBSD's list of mappings.
#include "probes/process/vm_entries.h"

#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)netpoll::probes::parse_vm_entries(netpoll::test::bytes_of(data, size));
  return 0;
}
