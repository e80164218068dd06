// Stacks: fills the frames of a snapshot in, each distinct one once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "libruntime/symbols/code_map.h"
#include "libruntime/symbols/unwind.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::symbols {

// Belongs to one snapshot, which outlives it as the code does. One thread at a time.
class Stacks {
 public:
  Stacks(CodeMap& code, trace::GoroutineSnapshot& snapshot) : code_(code), snapshot_(snapshot) {}

  // Fills in entry, created_by, stack and stack_ends_early of g. start_pc: of the function that it runs; created_pc:
  // the return address of the go() call; 0: unknown.
  void add(trace::Goroutine& g, const Unwound& unwound, std::uint64_t start_pc, std::uint64_t created_pc);

 private:
  using Indices = std::vector<std::uint32_t>;
  // Of the code at address; pc: what is shown for it.
  const Indices& frames(std::uint64_t address, std::uint64_t pc);
  std::optional<std::uint32_t> entry(std::uint64_t pc);
  std::optional<std::uint32_t> creator(std::uint64_t pc);

  CodeMap& code_;
  trace::GoroutineSnapshot& snapshot_;
  std::unordered_map<std::uint64_t, Indices> at_;  // by the address that was looked up
  std::unordered_map<std::uint64_t, std::uint32_t> entry_at_;
};

}  // namespace netpoll::symbols
