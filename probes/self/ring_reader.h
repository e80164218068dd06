// RingReader: one ring of tracepoints of a libruntime in another process (RingHeader in netpoll/debug/abi.h).
#pragma once

#include <cstdint>
#include <vector>

#include "netpoll/debug/abi.h"
#include "netpoll/result.h"
#include "netpoll/trace/event.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// What one reading brought.
struct RingEvents {
  std::vector<trace::Event> events;  // in the order in which they were written
  // Events that were overwritten before, or while, they were read, and the time of the event after them; 0: of none.
  std::uint64_t lost = 0;
  std::uint64_t lost_before_ns = 0;
};

// Follows one ring. What it reads is foreign: sizes are checked, and times may be anything. Not thread-safe.
class RingReader {
 public:
  // from_start: also what the ring has already.
  RingReader(std::uint64_t header_address, bool from_start) : address_(header_address), started_(from_start) {}

  // All that is new. kProtocol when the header makes no sense.
  Result<RingEvents> read(Memory& memory);

 private:
  std::uint64_t address_;
  bool started_;
  std::uint64_t seen_ = 0;  // number of the last event that was read or lost
};

}  // namespace netpoll::probes
