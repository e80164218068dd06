// GoG: what is read of one of the g structs of a Go runtime.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/go/layout.h"
#include "probes/process/bytes.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// Go's runtime/runtime2.go. A garbage collector that scans the stack adds a bit, which parse_g removes.
enum class GoStatus : std::uint32_t {
  kIdle = 0,
  kRunnable = 1,
  kRunning = 2,
  kSyscall = 3,
  kWaiting = 4,
  kDead = 6,
  kCopyStack = 8,
  kPreempted = 9,
  kLeaked = 10,     // since 1.26: waits, and nobody can wake it
  kDeadExtra = 11,  // since 1.26: dead, and kept for calls from C
};
constexpr std::uint32_t kLastGoStatus = 11;

// The number has been the same in all versions so far; see wait_reasons.h.
constexpr std::uint8_t kGoIoWait = 2;

struct GoG : GWords {
  std::uint64_t address = 0;
  std::uint64_t parent_goid = 0;
  GoStatus status = GoStatus::kIdle;
  std::uint8_t wait_reason = 0;

  bool lives() const {
    return status != GoStatus::kIdle && status != GoStatus::kDead && status != GoStatus::kDeadExtra;
  }
  bool waits() const { return status == GoStatus::kWaiting || status == GoStatus::kLeaked; }
  bool in_io_wait() const { return waits() && wait_reason == kGoIoWait; }
  // Whether it did not move between two readings, so that what was read in between belongs to it.
  bool same_moment(const GoG& other) const;
};

// Nothing when the bytes are no g: the status is none, or the stack ends before it begins.
std::optional<GoG> parse_g(std::uint64_t address, Bytes bytes, const GLayout& layout);

// Reads the g's at these addresses; those that are unreadable, or no g's, are left out. Errors: as Memory::read_batch.
Result<std::vector<GoG>> read_gs(Memory& memory, const GLayout& layout, std::span<const std::uint64_t> addresses);

// Reads g's again and says of each whether it is where it was.
Result<std::vector<bool>> same_moments(Memory& memory, const GLayout& layout, std::span<const GoG* const> gs);

}  // namespace netpoll::probes
