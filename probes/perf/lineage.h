// PerfLineage: whether a process, or one that it started directly or through others, still lives.
#pragma once

#include <sys/types.h>

#include <optional>
#include <utility>

#include "netpoll/fd.h"

namespace netpoll::probes {

// Needs no privilege where PerfCounter needs none. It says nothing of how many there are: the kernel keeps one list, of
// events that were inherited, for this one answer. Movable; one thread at a time.
class PerfLineage {
 public:
  // pid: a child of ours that is held before its exec. nullopt where the kernel refuses.
  static std::optional<PerfLineage> watch(pid_t pid);
  PerfLineage(PerfLineage&& other) noexcept;
  PerfLineage& operator=(PerfLineage&& other) noexcept;
  ~PerfLineage();

  // A program that we may not look into (set-user-ID, say) has left it, with all that it starts.
  bool lives() const;

 private:
  PerfLineage(Fd event, void* ring) : event_(std::move(event)), ring_(ring) {}

  Fd event_;
  void* ring_ = nullptr;  // two pages; owned
};

}  // namespace netpoll::probes
