// Documents read back: the results that compare compares, and views that --diff compares.
#include <vector>

#include "cli/compare/comparison.h"
#include "cli/compare/input.h"
#include "cli/compare/self_test.h"
#include "cli/documents/epoll_diff.h"
#include "cli/documents/snapshot_diff.h"
#include "tests/fuzz/input.h"

using namespace netpoll::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto documents = parse_documents(netpoll::test::text_of(data, size), "input");
  if (!documents) return 0;
  for (const auto& document : *documents) (void)schema_of(document, "input");
  (void)epoll_changes(documents->front(), documents->back());
  netpoll::trace::GoroutineSnapshot none;
  netpoll::exporters::Json head = {{"target", {{"pid", 1}, {"exe", "/bin/true"}}}};
  (void)snapshot_diff(documents->front(), {.taken_at = {}, .head = head, .snapshot = none, .shown = {}});
  auto results = results_of(*documents, "input");
  if (!results) return 0;
  (void)differences(documents->front(), documents->back());
  std::vector<Limit> limits;
  for (const Figure& figure : results->figures) {
    if (auto condition = parse_condition(figure.path + " > +2%", "--fail-on")) {
      limits.push_back(limit_of(std::move(*condition)));
    }
    if (limits.size() > 3) break;
  }
  (void)compare(*results, *results, limits);
  (void)self_test(*results, limits);
  for (const char* by : {"second", "write"}) (void)count_per(*results, by);
  return 0;
}
