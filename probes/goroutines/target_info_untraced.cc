// What the system tells of a process. Which runtime it is of, its memory tells, which whoever reads it looks at anyway.
#include "probes/goroutines/target_info.h"

#include "probes/process/program.h"

namespace netpoll::probes {

Result<TargetInfo> describe_target(pid_t pid) {
  auto program = program_of(pid);
  if (!program) return std::move(program).error();
  TargetInfo info;
  info.pid = pid;
  if (!program->path.empty()) info.exe = std::move(program->path);
  if (!program->comm.empty()) info.comm = std::move(program->comm);
  return info;
}

}  // namespace netpoll::probes
