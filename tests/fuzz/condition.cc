// What people type: conditions, expectations, sizes, durations, numbers, labels.
#include "cli/compare/condition.h"

#include "cli/compare/expectation.h"
#include "cli/documents/goroutine_filter.h"
#include "cli/units.h"
#include "tests/fuzz/input.h"

using namespace netpoll::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(netpoll::test::text_of(data, size));
  if (const auto condition = parse_condition(text, "--fail-on")) (void)condition->holds(1, 2);
  (void)parse_expectations({text});
  (void)parse_duration(text, "-d");
  (void)parse_size(text, "--size");
  (void)parse_integer(text, "-n", 0, 1000);
  (void)parse_label(text);
  (void)parse_redaction({text});
  return 0;
}
