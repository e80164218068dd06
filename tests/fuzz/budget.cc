// Budgets of compare --budget.
#include "cli/compare/budget.h"

#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)netpoll::cli::parse_budget(netpoll::test::text_of(data, size), "budget");
  return 0;
}
