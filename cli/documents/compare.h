// The document of a comparison.
#pragma once

#include <string>
#include <vector>

#include "cli/compare/comparison.h"
#include "cli/compare/self_test.h"
#include "exporters/json_fwd.h"

namespace netpoll::cli {

// different: what was measured differently, when --force insisted. per: as count_per was called. self_test: nothing
// when there was none.
exporters::Json compare_document(const ResultSet& base, const ResultSet& head, const Comparison& comparison,
                                 const std::vector<std::string>& different, const std::string& per,
                                 bool fail_on_changed, const std::optional<std::vector<Turn>>& self_test);

}  // namespace netpoll::cli
