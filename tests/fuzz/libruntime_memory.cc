// A running program of libruntime whose memory lies: the debug ABI, its tables, stacks, labels and rings.
#include "probes/goroutines/libruntime/runtime_finder.h"
#include "probes/self/ring_reader.h"
#include "tests/fuzz/forged_process.h"
#include "tests/support/prey.h"

using namespace netpoll::probes;

namespace {

void read_rings(pid_t pid, const std::uint8_t* data, std::size_t size) {
  static const auto real = make_live_subject(pid);
  if (!real) std::abort();
  netpoll::test::ForgedProcess subject(**real, netpoll::test::Numbers(data, size));
  const auto views = find_runtime_views(subject);
  if (!views) return;
  for (const RuntimeView& view : *views) {
    const auto runtimes = view.runtimes();
    if (!runtimes) continue;
    for (const RuntimeInfo& runtime : *runtimes) {
      (void)view.counters(runtime);
      for (std::uint64_t i = 0; i < std::min(runtime.ring_count, 4U); ++i) {
        RingReader ring(runtime.rings + i * runtime.ring_stride, /*from_start=*/true);
        (void)ring.read(view.memory());
        (void)ring.read(view.memory());
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static netpoll::test::Prey prey({NETPOLL_FUZZ_PREY, "good"});
  if (!prey.valid()) std::abort();
  netpoll::test::read_forged(prey.pid(), data, size);
  read_rings(prey.pid(), data, size);
  return 0;
}
