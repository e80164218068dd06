// Unwinding of goroutine stacks with the frame sizes of the pclntab.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "probes/goroutines/go/arch.h"
#include "probes/goroutines/go/go_g.h"
#include "probes/goroutines/go/known_functions.h"
#include "probes/goroutines/go/pclntab.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// The upper end of a goroutine's stack: a copy of its innermost part, and the rest on demand.
class StackBytes {
 public:
  // copy: what lies from sp on; hi: where the stack ends. memory may be null: there is no more than the copy.
  StackBytes(std::uint64_t sp, std::uint64_t hi, std::span<const std::byte> copy, Memory* memory)
      : sp_(sp), hi_(hi), copy_(copy), memory_(memory) {}

  std::uint64_t hi() const { return hi_; }
  // Nothing outside of the stack, and of what cannot be read.
  std::optional<std::uint64_t> word(std::uint64_t address);

 private:
  std::uint64_t sp_;
  std::uint64_t hi_;
  Bytes copy_;
  Memory* memory_;
  std::vector<std::byte> window_;
  std::uint64_t window_at_ = 0;
};

// A place in the code. call: it is a return address, so that the call stands in front of it.
struct CodePlace {
  std::uint64_t pc = 0;
  bool call = false;
};

struct CallChain {
  std::vector<CodePlace> places;  // innermost first
  std::string ends_early;         // why it is not whole; empty: it is
};

// Where a goroutine that does not run goes on: its saved registers.
struct SavedRegisters {
  std::uint64_t pc = 0;
  std::uint64_t sp = 0;
  std::uint64_t lr = 0;
  bool call = true;  // one that does not run has called what parked it
};
// Nothing for one that runs: its registers are in its thread.
std::optional<SavedRegisters> saved_registers(const GoG& g);

// Borrows its arguments.
class Unwinder {
 public:
  Unwinder(const Pclntab& pclntab, const KnownFunctions& functions, const GoArch& arch)
      : pclntab_(pclntab), functions_(functions), arch_(arch) {}

  // At most max_frames frames.
  CallChain walk(const SavedRegisters& registers, StackBytes& stack, std::size_t max_frames);

 private:
  // What there is to know of a code address; the pclntab takes its time.
  struct Step {
    std::uint64_t entry = 0;  // of its function; 0: none
    std::optional<std::int32_t> frame_size;
    bool outermost = false;
    bool moves_stack = false;
  };
  const Step& step_at(std::uint64_t pc);

  const Pclntab& pclntab_;
  const KnownFunctions& functions_;
  const GoArch& arch_;
  std::unordered_map<std::uint64_t, Step> steps_;
};

}  // namespace netpoll::probes
