// RuntimeView: the debug ABI of one live libruntime, decoded by the offsets that it publishes itself.
//
// The target's memory is foreign bytes: every size, count and offset is checked before it is used, and strings end
// where their array ends.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "netpoll/debug/abi.h"
#include "netpoll/result.h"
#include "netpoll/trace/event.h"
#include "netpoll/wait_reason.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// One G record. Field meanings: GLayout in netpoll/debug/abi.h.
struct GRecord {
  std::uint64_t index = 0;  // in its table
  std::uint64_t goid = 0;
  GStatus status = GStatus::kIdle;
  WaitReason wait_reason = WaitReason::kNone;
  std::uint64_t park_seq = 0;
  std::int64_t wait_since = 0;
  std::uint32_t wait_pd = 0;
  std::uint32_t wait_mode = 0;
  std::uint64_t parent_goid = 0;
  std::uint64_t start_pc = 0;
  std::uint64_t created_pc = 0;
  std::uint64_t stack_lo = 0;
  std::uint64_t stack_hi = 0;
  std::uint64_t saved_sp = 0;
  std::uint32_t labels_below = 0;  // see GLayout::labels

  // Whether a goroutine lives in the record: it is used, and neither idle nor dead.
  bool holds_goroutine() const { return goid != 0 && status != GStatus::kIdle && status != GStatus::kDead; }

  // Whether two readings belong to the same stay of the same goroutine (abi.h, point 3). A record is copied while its
  // owner writes it, so what describes the wait has to be the same too: a copy that mixes two waits has a neighbour
  // that does not.
  bool same_moment(const GRecord& other) const {
    return saved_sp == other.saved_sp && labels_below == other.labels_below && goid == other.goid &&
           status == other.status && park_seq == other.park_seq && wait_reason == other.wait_reason &&
           wait_since == other.wait_since && wait_pd == other.wait_pd && wait_mode == other.wait_mode;
  }
};

// One pollDesc record. Field meanings: PdLayout.
struct PdRecord {
  std::uint64_t index = 0;
  std::int32_t fd = -1;
  std::uint32_t seq = 0;
  std::uint64_t rg = 0;
  std::uint64_t wg = 0;
  std::int64_t rd = 0;
  std::int64_t wd = 0;
  std::uint32_t flags = 0;
};

// One Runtime object of the target.
struct RuntimeInfo {
  std::uint64_t address = 0;  // of its DebugRuntime
  std::string name;
  std::uint32_t procs = 0;
  std::uint32_t poll_mode = 0;  // PollMode
  std::uint32_t trigger = 0;    // Trigger
  std::int32_t epfd = -1;
  debug::TableRef gs{};
  debug::TableRef pds{};
  std::uint64_t counters = 0;
  std::uint32_t counter_blocks = 0;
  std::uint32_t counter_stride = 0;
  std::uint64_t coarse_now = 0;
  std::uint64_t rings = 0;  // of ring headers; 0: a runtime without rings
  std::uint32_t ring_count = 0;
  std::uint32_t ring_stride = 0;
  std::uint64_t record_until = 0;
};

using TracepointCounts = std::array<std::uint64_t, trace::kTpCount>;

// Holds the memory by reference, which must outlive it. One thread at a time.
class RuntimeView {
 public:
  // Reads the root at address. kNotSupported for another magic or major version, kProtocol for offsets that make no
  // sense.
  static Result<RuntimeView> open(Memory& memory, std::uint64_t address);

  const std::string& runtime_version() const { return version_; }
  Memory& memory() const { return *memory_; }
  // How a switch leaves registers: a debug::SavedFrame, or a number that we do not know.
  std::uint32_t saved_frame() const { return root_.g.saved_frame; }
  std::uint64_t address() const { return address_; }

  // The Runtime objects that are published now. One that is withdrawn meanwhile is left out.
  Result<std::vector<RuntimeInfo>> runtimes() const;
  // Whether the Runtime whose DebugRuntime is at this address is still published; what was read of one that is not may
  // be memory that somebody else uses by now.
  Result<bool> still_published(const RuntimeInfo& runtime) const;

  // The records that hold a goroutine.
  Result<std::vector<GRecord>> read_gs(const RuntimeInfo& runtime) const;
  // The G records with these indices; those that are not readable are left out.
  Result<std::vector<GRecord>> read_gs(const RuntimeInfo& runtime, std::span<const std::uint64_t> indices) const;
  Result<std::vector<PdRecord>> read_pds(const RuntimeInfo& runtime, std::span<const std::uint64_t> indices) const;

  // How often each tracepoint was passed so far, summed over the Ps. The blocks are read one after the other while they
  // grow, so two counters may be a few nanoseconds apart. Rows that the target does not have yet stay 0; known_rows()
  // says how many it has.
  Result<TracepointCounts> counters(const RuntimeInfo& runtime) const;
  std::size_t known_rows() const;

 private:
  RuntimeView(Memory& memory, std::uint64_t address, const debug::DebugRoot& root);

  Result<std::vector<std::uint64_t>> slots() const;
  Result<std::optional<RuntimeInfo>> read_runtime(std::uint64_t address) const;
  GRecord decode_g(std::uint64_t index, std::span<const std::byte> record) const;
  PdRecord decode_pd(std::uint64_t index, std::span<const std::byte> record) const;

  Memory* memory_;
  std::uint64_t address_;
  debug::DebugRoot root_;
  std::string version_;
  std::uint32_t g_end_;  // smallest record that holds all fields that are read
  std::uint32_t pd_end_;
};

}  // namespace netpoll::probes
