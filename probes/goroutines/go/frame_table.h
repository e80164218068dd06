// FrameTable: the frames of one snapshot, each distinct one once. Thousands of goroutines have a few dozen places.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "netpoll/trace/goroutine.h"
#include "probes/goroutines/go/pclntab.h"
#include "probes/goroutines/go/unwinder.h"

namespace netpoll::probes {

// Borrows the pclntab.
class FrameTable {
 public:
  explicit FrameTable(const Pclntab& pclntab) : pclntab_(pclntab) {}

  // The frames at a place, innermost first: the function, behind what is inlined into it there.
  const std::vector<std::uint32_t>& at(const CodePlace& place);
  // As Go prints "created by": the function around the go statement, with the line of the statement.
  std::optional<std::uint32_t> creator(std::uint64_t go_pc);
  // The function that begins at entry.
  std::optional<std::uint32_t> function(std::uint64_t entry);

  std::vector<trace::Frame> take() && { return std::move(frames_); }
  const trace::Frame& frame(std::uint32_t index) const { return frames_[index]; }

 private:
  std::uint32_t add(const GoLine& line, std::uint64_t pc, const GoFunction& function);

  const Pclntab& pclntab_;
  std::vector<trace::Frame> frames_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> places_;  // by pc, twice, plus whether it is a call
  std::unordered_map<std::uint64_t, std::optional<std::uint32_t>> creators_;
  std::unordered_map<std::uint64_t, std::optional<std::uint32_t>> functions_;
};

// Whether Go's own dumps leave out a function of that name (runtime/traceback.go, showfuncinfo).
bool is_runtime_internal(std::string_view function);

}  // namespace netpoll::probes
