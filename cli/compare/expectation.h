// Expectations: conditions that the result of `run` or `stat` is to meet (--expect).
#pragma once

#include <string>
#include <vector>

#include "cli/compare/condition.h"
#include "cli/log.h"
#include "exporters/json_fwd.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// Fails with kInvalid for what is no condition, or one about a change.
Result<std::vector<Condition>> parse_expectations(const std::vector<std::string>& texts);

// Whether all of them hold of a document of run or stat; says which do not. An unknown figure meets
// nothing. Fails with kInvalid for a path that the document does not have.
Result<bool> are_met(const std::vector<Condition>& conditions, const exporters::Json& document, Log& log);

}  // namespace netpoll::cli
