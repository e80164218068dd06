// Stories: makes of single events the story of each connection, register - park - ready - run, with the time that it
// waited for the network and then for a CPU.
//
// A program of libruntime tells it itself, by goroutine. Of any other the system calls do: it waits for the network
// from its last read of a descriptor (or a write that found no room), is ready when the poller reports the descriptor,
// and runs with its next call on it. A poller's report that nobody has asked for yet waits for a CPU from the moment
// that the poller returned.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <unordered_map>

#include "netpoll/trace/record.h"

namespace netpoll::probes {

// One thread at a time. Memory: a few words for each descriptor and goroutine that lives.
class Stories {
 public:
  // Fills in step and waits, of tracepoints also the descriptor, and of calls of libruntime the goroutine. Records come
  // in order of time.
  void annotate(trace::Record& record);
  // Events are missing from here on: no wait that spans this moment is reported.
  void lost();

 private:
  enum class Wants : std::uint8_t { kEvent, kConnection };
  struct Direction {
    std::uint64_t since_ns = 0;  // waits for the network since; 0: does not, or not known
    std::uint64_t ready_ns = 0;  // reported, and not yet asked for; 0: is not
    Wants wants = Wants::kEvent;
  };
  struct Descriptor {
    Direction read;
    Direction write;
  };
  struct Goroutine {
    int fd = -1;                 // that it waits for
    std::uint64_t since_ns = 0;  // parked since; 0: not known
    std::uint64_t ready_ns = 0;
    std::uint64_t network_ns = 0;  // of the wait that ended
    bool waited_for_network = false;
  };
  struct Process {
    std::unordered_map<int, Descriptor> descriptors;
    std::unordered_map<std::uint64_t, Goroutine> goroutines;  // by goid
    std::unordered_map<pid_t, std::uint64_t> running;         // tid -> goid
    bool tells_itself = false;
  };

  static void annotate_call(Process& process, trace::Record& record);
  static void annotate_tracepoint(Process& process, trace::Record& record);
  static void run(Direction& direction, trace::Record& record, std::uint64_t start_ns);

  std::unordered_map<pid_t, Process> processes_;
};

}  // namespace netpoll::probes
