// Sampler: reads a Go program's goroutines with their stacks, so that what is read of one belongs together.
//
// Without stopping the target: a goroutine's g is read, its stack, and its g again; when the two agree it did not move
// in between. One that moved is read again with the others that did, a few times. Of a stopped target all g's and
// stacks are copied first, and looked into when it runs on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/go/go_g.h"
#include "probes/goroutines/go/poll_descs.h"
#include "probes/goroutines/go/program.h"
#include "probes/goroutines/go/stack_scan.h"
#include "probes/goroutines/go/unwinder.h"

namespace netpoll::probes {

// One living goroutine.
struct Sample {
  GoG g;
  CallChain chain;                   // empty of one that runs, and where stacks were not asked for
  std::optional<PollWait> on_stack;  // of one in IO wait: what its stack says
  bool stable = true;
};

struct Samples {
  std::vector<Sample> list;   // in the order of the runtime's list
  std::uint64_t retries = 0;  // readings beyond the first
};

// Borrows its arguments.
class Sampler {
 public:
  Sampler(Memory& memory, const GoProgram& program);

  // Errors of all: those of read_allgs and Memory.
  Result<Samples> read(int retries, bool stacks);

  // Some goroutines, and copies of the innermost parts of their stacks.
  struct Batch {
    std::vector<Sample> samples;
    std::unique_ptr<std::byte[]> slab;
    std::vector<Bytes> stacks;  // empty: none, or not readable
  };
  // In two halves: copies all, and makes samples of the copies.
  Result<std::vector<Batch>> copy_all(bool stacks);
  Samples look_into(std::vector<Batch> copies, bool stacks);
  // The stack of one that runs, from the registers of its thread.
  CallChain unwind_running(const GoG& g, const SavedRegisters& registers);

 private:
  Result<Batch> copy(std::span<const std::uint64_t> addresses, bool stacks);
  // rest: where stacks are read on that are longer than their copies; null: nowhere.
  void unwind(Batch& batch, Memory* rest);
  void scan(Batch& batch);
  Result<void> compare(Batch& batch);

  Memory& memory_;
  const GoProgram& program_;
  Unwinder unwinder_;
  std::optional<StackScan> scan_;  // nothing: the program does not use the poller
  std::size_t frames_left_ = 0;    // of this snapshot
};

}  // namespace netpoll::probes
