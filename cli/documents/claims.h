// The document of `claims`: each claim with what was done, what was measured, and the verdict.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/claims/claim.h"
#include "cli/probe_info.h"
#include "exporters/json_fwd.h"

namespace netpoll::cli {

struct JudgedClaim {
  const Claim* claim = nullptr;
  Evidence seen;
  ClaimFinding finding;
};

exporters::Json claims_document(const std::vector<JudgedClaim>& judged, const ProbeInfo& probe,
                                std::chrono::system_clock::time_point started_at, bool interrupted);

}  // namespace netpoll::cli
