// Cores, plain and packed: headers, notes, memory, and whether a runtime is in them.
#include <algorithm>
#include <vector>

#include "probes/goroutines/reader.h"
#include "probes/goroutines/target_info.h"
#include "probes/process/core/core_subject.h"
#include "tests/fuzz/input.h"

using namespace netpoll::probes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const netpoll::test::InputFile input(data, size);
  // What stands in for the pages that it lacks is the core itself, not whatever file of this machine it names.
  const auto core = make_core_subject(input.path(), input.path());
  if (!core) return 0;
  std::vector<char> page(4096);
  for (const Mapping& m : (*core)->mappings()) (void)(*core)->memory().read(m.start, page.data(), page.size());
  (void)(*core)->thread_registers((*core)->dead_pid().value_or(1));
  (void)describe_target(**core);
  if (auto reader = attach_reader(**core)) (void)(*reader)->read({});
  return 0;
}
