// Documents read back: the results that compare compares, and views that --diff compares.
#include <vector>

#include "cli/compare/comparison.h"
#include "cli/compare/input.h"
#include "cli/compare/self_test.h"
#include "cli/documents/epoll_diff.h"
#include "cli/documents/snapshot_diff.h"
#include "exporters/json.h"
#include "exporters/snapshot_document.h"
#include "tests/fuzz/input.h"

using namespace netpoll::cli;

namespace {

// Files are read another way than values that exist already; what both take, they have to understand alike.
void compare_ways(const ResultSet& by_value, const ResultSet& by_text) {
  if (by_value.runs != by_text.runs || by_value.figures.size() != by_text.figures.size()) std::abort();
  for (std::size_t i = 0; i < by_value.figures.size(); ++i) {
    const Figure& a = by_value.figures[i];
    const Figure& b = by_text.figures[i];
    if (a.path != b.path || a.value() != b.value()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const netpoll::test::InputFile input(data, size);
  const auto by_text = read_results({input.path()});
  auto documents = parse_documents(netpoll::test::text_of(data, size), "input");
  if (!documents) return 0;
  for (const auto& document : *documents) (void)schema_of(document, "input");
  (void)epoll_changes(registration_digests(documents->front()), registration_digests(documents->back()));
  netpoll::trace::GoroutineSnapshot none;
  netpoll::exporters::Json head = {{"target", {{"pid", 1}, {"exe", "/bin/true"}}}};
  (void)snapshot_diff(documents->front(), {.taken_at = {}, .head = head, .snapshot = none, .shown = {}});
  auto results = results_of(*documents, "input");
  if (results.has_value() != by_text.has_value()) std::abort();
  if (!results) return 0;
  compare_ways(*results, *by_text);
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
