// EndpointCache: what the descriptors of traced processes are, looked up in batches and kept until something happens to
// their numbers.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "netpoll/trace/record.h"

namespace netpoll::probes {

// What is looked up is the present, an event is the past: a descriptor that was closed meanwhile is not found, and
// whoever sees its number get another meaning says so here. One thread at a time.
class EndpointCache {
 public:
  using Ref = std::shared_ptr<const trace::Endpoint>;

  // All descriptors of a process, at the beginning of its trace.
  void load(pid_t pid);
  // What is known; null for nothing. A descriptor that nobody has looked up yet is noted for look_up().
  const Ref& find(pid_t pid, int fd);
  // Looks up all that was noted, unless it did so a moment ago: it may read the kernel's whole table of sockets.
  void look_up();
  // A connection whose other side the target was told.
  void set(pid_t pid, int fd, trace::Endpoint endpoint);

  void forget(pid_t pid, int fd);
  void forget_process(pid_t pid);
  void forget_all();

 private:
  void look_up(pid_t pid, const std::unordered_set<int>& fds);

  std::unordered_map<pid_t, std::unordered_map<int, Ref>> known_;
  std::unordered_map<pid_t, std::unordered_set<int>> wanted_;
  std::chrono::steady_clock::time_point next_look_{};
};

}  // namespace netpoll::probes
