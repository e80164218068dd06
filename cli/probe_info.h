// ProbeInfo: how somebody was observed, as every document and every page says it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/log.h"
#include "probes/counts.h"
#include "probes/source.h"

namespace netpoll::probes {
class Session;
}  // namespace netpoll::probes

namespace netpoll::cli {

struct ProbeInfo {
  probes::Backend backend = probes::Backend::kNone;
  std::optional<std::uint64_t> lost;
  std::string overhead_note;
  std::vector<std::string> notes;        // what the counts do not contain, and why, one sentence each
  std::vector<std::string> passed_over;  // back ends that --backend auto could not use, with the reason
};

// What is known of a session before anything is attached; the user is told which back ends could not be used.
ProbeInfo probe_info(const probes::Session& session, Log& log);

// Says in lost and notes what is missing in counts.
void put_losses(ProbeInfo& probe, const probes::Counts& counts);

}  // namespace netpoll::cli
