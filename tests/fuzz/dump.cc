// Dumps of goroutines, and what snapshot --annotate writes into them.
#include "probes/goroutines/dump/dump.h"

#include "cli/snapshot/annotated_text.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = netpoll::test::text_of(data, size);
  const auto dumps = netpoll::probes::parse_dumps(text);
  (void)netpoll::cli::annotated_text(text, dumps, {});
  (void)netpoll::cli::annotated_text(text, dumps, {.labels = true, .peers = true, .args = true});
  return 0;
}
