// StackReader: the stacks and labels of libruntime's goroutines, copied out of a process or core.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "libruntime/symbols/unwind.h"
#include "netpoll/result.h"
#include "probes/goroutines/libruntime/runtime_view.h"

namespace netpoll::probes {

struct StackRecord {
  symbols::Unwound unwound;
  std::vector<std::pair<std::string, std::string>> labels;  // in the order of the target
};

// Holds code and view by reference. What it reads may move meanwhile: the caller reads the G again and keeps what
// belongs to one that did not. Memory use is bounded whatever the stacks claim. One thread at a time.
class StackReader {
 public:
  // stacks: false reads labels alone.
  StackReader(const RuntimeView& view, symbols::CodeMap& code, bool stacks)
      : view_(view), code_(code), stacks_(stacks) {}

  // A record for each of gs, in their order.
  Result<std::vector<StackRecord>> read(std::span<const GRecord> gs) const;

 private:
  Result<void> read_stacks(std::span<const GRecord> gs, std::span<StackRecord> records) const;
  Result<void> read_labels(std::span<const GRecord> gs, std::span<StackRecord> records) const;

  const RuntimeView& view_;
  symbols::CodeMap& code_;
  bool stacks_;
};

// The pairs of a label set whose header says count; empty when they do not fit into bytes, which begin with them.
std::vector<std::pair<std::string, std::string>> decode_labels(std::uint32_t count, std::span<const std::byte> bytes);

}  // namespace netpoll::probes
