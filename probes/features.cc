// Runs all trials, in the order of doctor's page.
#include "probes/features.h"

#include "probes/feature_trials.h"

namespace netpoll::probes {

const Feature* Features::find(std::string_view name) const {
  for (const auto* list : {&machine, &target}) {
    for (const Feature& feature : *list) {
      if (feature.name == name) return &feature;
    }
  }
  return nullptr;
}

Features probe_features(std::optional<pid_t> pid) {
  Features features;
  features.machine = {try_ebpf_build(), try_kernel_btf(),  try_ebpf_counts(), try_usdt_probes(), try_perf_counts(),
                      try_ptrace(),     try_read_memory(), try_tracefs(),     try_open_files()};
  const bool ebpf_works = features.find("ebpf_counts")->ok;
  for (Feature& feature : features.machine) {
    if (feature.name == "perf_counts") feature.wanted = !ebpf_works;
  }
  if (!pid) return features;
  features.target.push_back(try_target_exists(*pid));
  if (!features.target.back().ok) return features;
  for (const auto trial : {try_target_countable, try_target_memory, try_target_untraced, try_target_usdt}) {
    features.target.push_back(trial(*pid));
  }
  return features;
}

}  // namespace netpoll::probes
