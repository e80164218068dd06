// A running Go program whose memory lies.
#include "tests/fuzz/forged_process.h"
#include "tests/support/prey.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static netpoll::test::Prey server({NETPOLL_FUZZ_PREY});
  if (!server.valid()) std::abort();
  netpoll::test::read_forged(server.pid(), data, size);
  return 0;
}
