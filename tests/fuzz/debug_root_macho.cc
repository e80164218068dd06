// The section of a Mach-O image that leads to libruntime, in memory that is the input altogether.
#include "probes/goroutines/libruntime/debug_root.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  netpoll::test::InputMemory memory(data, size);
  (void)netpoll::probes::debug_root_of_image(memory, {.start = 0, .end = size});
  return 0;
}
