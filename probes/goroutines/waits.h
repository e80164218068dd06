// Who in a process waits for descriptors whose other ends are held by processes: goroutines where its runtime is known,
// threads in system calls where it is not.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netpoll/result.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::probes {

// One of goid and tid is known.
struct DescriptorWait {
  trace::PeerWaiter waiter;
  int fd = -1;
  std::string kind;  // "tcp", "udp", "unix", "pipe"
  std::string local;
  std::string peer;
  std::vector<trace::PeerProcess> peer_processes;
  // It only looks whether the peer leaves, while another goroutine works for it: net/http's background read.
  bool watches = false;
};

struct ProcessWaits {
  pid_t pid = -1;
  std::string comm;
  std::string runtime;                // "go", "libruntime"; empty: unknown, its threads were looked at
  std::string runtime_version;        // empty: unknown
  std::vector<DescriptorWait> waits;  // every one for a descriptor, by fd
};

// Errors: those of looking at a process: kNotFound, kPermission, ...
Result<ProcessWaits> read_waits(pid_t pid);

}  // namespace netpoll::probes
