// Features: what this kernel, this user and a target allow, found by trying each thing once on ourselves or on a child
// of ours, never by comparing kernel versions. `doctor` prints them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace netpoll::probes {

// One thing that works here or does not. Names are stable and appear in JSON.
struct Feature {
  std::string name;     // "ebpf_counts"
  std::string purpose;  // what it is good for: "run and stat with exact counts at the lowest cost"
  bool ok = false;
  // False: something else does the same, or nothing of ours depends on it; its absence is no defect.
  bool wanted = true;
  std::string detail;   // what was found, where that is worth saying: "multi-site uprobes"
  std::string why_not;  // one sentence; empty when ok
  std::string fix;      // the command that would make it work; empty when ok, or when no command can
};

struct Features {
  std::vector<Feature> machine;
  std::vector<Feature> target;  // empty unless a pid was given

  const Feature* find(std::string_view name) const;
};

// Tries everything; about 200 ms, most of it for loading BPF programs. Starts and reaps short-lived children; nothing
// stays behind. A pid that does not exist gives the target feature "target_exists" with ok = false, and no others.
//
// machine: ebpf_build, kernel_btf, ebpf_counts, usdt, perf_counts, ptrace, read_memory, tracefs, open_files
// target:  target_exists, target_countable, target_memory, target_untraced, target_usdt
Features probe_features(std::optional<pid_t> pid);

}  // namespace netpoll::probes
