// StackReader: the stacks and labels of libruntime's goroutines, copied out of a process or core.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libruntime/symbols/unwind.h"
#include "netpoll/result.h"
#include "probes/goroutines/libruntime/runtime_view.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

struct StackRecord {
  symbols::Unwound unwound;
  std::vector<std::pair<std::string, std::string>> labels;  // in the order of the target
};

// What was copied of some goroutines, in their order.
struct StackCopies {
  struct Labels {
    std::size_t owner = 0;    // which goroutine
    std::uint32_t count = 0;  // of pairs
    std::vector<std::byte> bytes;
  };
  std::unique_ptr<std::byte[]> slab;
  std::unordered_map<std::size_t, ThreadRegisters> running;  // of those that run, as far as their threads' are known
  std::vector<std::span<const std::byte>> stacks;            // innermost parts, in slab; empty: none, or not readable
  std::vector<Labels> labels;                                // of those that have some
};

// Holds code and view by reference. What it reads may move meanwhile: the caller reads the G again and keeps what
// belongs to one that did not. Memory use is bounded whatever the stacks and labels claim. One thread at a time.
class StackReader {
 public:
  // stacks: false reads labels alone.
  StackReader(Subject& subject, const RuntimeView& view, symbols::CodeMap& code, bool stacks)
      : subject_(subject), view_(view), code_(code), stacks_(stacks) {}

  // A record for each of gs, in their order.
  Result<std::vector<StackRecord>> read(std::span<const GRecord> gs);

  // The same in two halves, of a target that is stopped for the first. What is deeper in a stack than was copied is
  // lost.
  Result<StackCopies> copy(std::span<const GRecord> gs);
  std::vector<StackRecord> look_into(std::span<const GRecord> gs, const StackCopies& copies) const;

  bool labels_left_out() const { return labels_left_out_; }  // since there were too many

 private:
  static constexpr std::uint64_t kMaxAllLabelBytes = 64 << 20;

  Result<StackCopies> copy(std::span<const GRecord> gs, std::uint64_t most_of_each);
  std::unordered_map<std::size_t, ThreadRegisters> registers_of_running(std::span<const GRecord> gs) const;
  symbols::Unwound unwind(const GRecord& g, const ThreadRegisters* running, std::span<const std::byte> stack) const;
  Result<void> copy_stacks(std::span<const GRecord> gs, std::uint64_t most_of_each, StackCopies& copies) const;
  Result<void> copy_labels(std::span<const GRecord> gs, StackCopies& copies);
  Result<void> read_deep(std::span<const GRecord> gs, const StackCopies& copies,
                         std::vector<StackRecord>& records) const;

  Subject& subject_;
  const RuntimeView& view_;
  symbols::CodeMap& code_;
  bool stacks_;
  std::uint64_t label_bytes_left_ = kMaxAllLabelBytes;
  bool labels_left_out_ = false;
};

// The pairs of a label set whose header says count; empty when they do not fit into bytes, which begin with them.
std::vector<std::pair<std::string, std::string>> decode_labels(std::uint32_t count, std::span<const std::byte> bytes);

}  // namespace netpoll::probes
