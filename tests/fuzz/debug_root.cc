// The debug ABI of libruntime, from the note in an image to the records, in memory that is the input altogether.
#include "probes/goroutines/libruntime/debug_root.h"

#include "probes/goroutines/libruntime/runtime_view.h"
#include "probes/goroutines/libruntime/stack_reader.h"
#include "probes/self/ring_reader.h"
#include "tests/fuzz/input.h"

using namespace netpoll::probes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  netpoll::test::InputMemory memory(data, size);
  (void)debug_root_in_notes(netpoll::test::bytes_of(data, size), 0, 4);
  (void)decode_labels(size > 0 ? data[0] : 0, netpoll::test::bytes_of(data, size));
  const auto roots = find_debug_roots(memory, {{.start = 0, .end = size, .file_offset = 0, .inode = 1, .path = "exe"}});
  if (!roots) return 0;
  for (const std::uint64_t root : *roots) (void)RuntimeView::open(memory, root);
  RingReader ring(0, /*from_start=*/true);
  (void)ring.read(memory);
  const auto view = RuntimeView::open(memory, 0);
  if (!view) return 0;
  const auto runtimes = view->runtimes();
  if (!runtimes) return 0;
  for (const RuntimeInfo& runtime : *runtimes) {
    const auto gs = view->read_gs(runtime);
    if (gs) (void)gs->size();
    (void)view->counters(runtime);
  }
  return 0;
}
