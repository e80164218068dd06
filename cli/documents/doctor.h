// The document of doctor, and the findings that it has on every system.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "exporters/json_fwd.h"
#include "probes/features.h"
#include "probes/goroutines/target_info.h"

namespace netpoll::cli {

struct DoctorFindings {
  std::vector<probes::Feature> machine;
  std::string backend;          // what --backend auto takes for a process that runs; empty: none works
  std::string command_backend;  // the same for a command
  // Of the process that was asked for.
  std::optional<probes::TargetInfo> target;
  std::optional<std::vector<probes::Feature>> target_features;
};

exporters::Json doctor_document(const DoctorFindings& findings);

// Adds the back ends of libruntime that a kernel may refuse, each tried once.
void add_pollers(std::vector<probes::Feature>& machine);

}  // namespace netpoll::cli
