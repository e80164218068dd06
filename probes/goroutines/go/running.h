// Where goroutines are that run: the runtime's own record of them is stale, but their threads' registers tell.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "probes/goroutines/go/program.h"
#include "probes/goroutines/go/unwinder.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// Borrows its arguments.
class RunningPlaces {
 public:
  RunningPlaces(Subject& subject, const GoProgram& program) : subject_(subject), program_(program) {}

  // Where g, which runs on thread tid, goes on. Nothing when its thread's registers are not known, or do not lead to
  // the goroutine's stack.
  std::optional<SavedRegisters> find(const GoG& g, pid_t tid);

 private:
  std::optional<ThreadRegisters> interrupted(const GoG& g, const ThreadRegisters& handler);
  std::optional<std::uint64_t> word_of_m(const GoG& g, const std::optional<std::uint64_t>& offset);

  Subject& subject_;
  const GoProgram& program_;
};

}  // namespace netpoll::probes
