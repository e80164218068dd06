// Texts of /proc/ID/stat and status, which have the name in them that a process gave itself.
#include "probes/process/proc_status.h"

#include <cstdlib>

#include "tests/fuzz/input.h"

using namespace netpoll::probes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = netpoll::test::text_of(data, size);
  // A name is a part of the text.
  if (const auto stat = parse_stat(text); stat && text.find(stat->comm) == std::string_view::npos) std::abort();
  (void)number_in_status(text, "Tgid");
  (void)number_in_status(text, "TracerPid");
  (void)set_in_status(text, "CapEff");
  (void)innermost_in_status(text);
  return 0;
}
