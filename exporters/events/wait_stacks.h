// WaitStacks: how long waits of a trace took together, by whose they were: program, labels of the goroutine, peer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "exporters/json_fwd.h"
#include "netpoll/trace/record.h"

namespace netpoll::exporters {

// One thread at a time. Memory is bounded: what comes once there are kMost stacks is added to that of "(others)".
class WaitStacks {
 public:
  static constexpr std::size_t kMost = 1 << 14;

  struct Waits {
    std::uint64_t count = 0;
    std::uint64_t network_ns = 0;
    std::uint64_t cpu_ns = 0;
  };

  // Learns names of processes from the first line of a stream.
  void begin(const Json& meta);
  // Counts the waits that a record says are over.
  void add(const trace::Record& record);
  // By stack, outermost first; as they were said, which may be anything.
  const std::map<std::vector<std::string>, Waits>& all() const { return waits_; }

 private:
  std::map<pid_t, std::string> names_;
  std::map<std::vector<std::string>, Waits> waits_;
};

// The names of a stream's processes, by pid, as its first line says them.
std::map<pid_t, std::string> process_names(const Json& meta);
// A peer without the port, which is another one for each connection of a client.
std::string without_port(const trace::Endpoint& endpoint);

}  // namespace netpoll::exporters
