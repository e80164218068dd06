// observe: runs the first half of an experiment in a process of its own, under a probe.
#pragma once

#include <string>
#include <vector>

#include "cli/claims/claim.h"
#include "cli/probe_info.h"
#include "cli/system/interrupt.h"
#include "netpoll/result.h"
#include "probes/source.h"

namespace netpoll::cli {

// How experiments are watched; filled in by the first of them.
struct ClaimProbe {
  probes::Backend wanted = probes::Backend::kAuto;
  ProbeInfo used;
};

// The process has ended when it returns. An experiment that fails, dies or does not end in time is an observation, too.
// Fails when a back end that was asked for by name cannot be used, or no process can be started.
Result<Evidence> observe(const Claim& claim, ClaimProbe& probe, const Interrupt& interrupt);

}  // namespace netpoll::cli
