// ProgramLinks: BPF programs that are attached, and stay so no longer than this.
#pragma once

#include <span>
#include <vector>

#include "netpoll/result.h"

struct bpf_link;
struct bpf_program;

namespace netpoll::probes {

// Not thread-safe.
class ProgramLinks {
 public:
  ProgramLinks() = default;
  ~ProgramLinks() { detach(); }
  ProgramLinks(const ProgramLinks&) = delete;
  ProgramLinks& operator=(const ProgramLinks&) = delete;

  // Attaches each to what its section names, in this order. What was attached before a failure stays until detach().
  Result<void> attach(std::span<bpf_program* const> programs);
  // Takes over a link that was made otherwise.
  void add(bpf_link* link) { links_.push_back(link); }
  // The last one first.
  void detach();

  bool empty() const { return links_.empty(); }

 private:
  std::vector<bpf_link*> links_;
};

}  // namespace netpoll::probes
