// TaskWalk runs a BPF program of type iter/task once over threads.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "netpoll/result.h"
#include "probes/bpf/syscall_counts.h"

struct bpf_program;

namespace netpoll::probes {

// A program, and the words of its memory by which it is told what to do and tells what it found: task_job, found_tgid
// and adopted. It and they outlive this. Not thread-safe.
class TaskWalk {
 public:
  TaskWalk() = default;
  // shared: the memory of the program's variables, as the skeleton declares it.
  template <typename Variables>
  TaskWalk(bpf_program* program, Variables& shared)
      : program_(program), job_(&shared.task_job), found_tgid_(&shared.found_tgid), adopted_(&shared.adopted) {}

  // Does job for each thread of the process pid, a number in our own pid namespace, or for every thread of the machine
  // when pid is 0 or the kernel cannot be asked for one process (before Linux 6.1). Returns whether the walk was
  // limited to pid; a process that does not exist is an empty walk. About 1 us per thread. What the program writes is
  // added to `written`, unless that is null.
  Result<bool> run(netpoll_task_job job, pid_t pid, std::vector<std::byte>* written = nullptr) const;
  // The number of pid in the initial pid namespace, by which BPF knows processes; in a container that is not ours.
  Result<std::uint32_t> resolve(pid_t pid) const;
  // Children that exist become targets; those that a target forks meanwhile do so by themselves.
  Result<void> adopt_children() const;

 private:
  bpf_program* program_ = nullptr;
  std::uint32_t* job_ = nullptr;
  std::uint32_t* found_tgid_ = nullptr;
  std::uint32_t* adopted_ = nullptr;
};

}  // namespace netpoll::probes
