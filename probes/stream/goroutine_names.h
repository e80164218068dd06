// GoroutineNames: how the goroutine that a thread runs is found and what it is called, for sources that see threads.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "netpoll/trace/record.h"

namespace netpoll::probes {

// Where a Go program's threads keep the g that they run, and what of it is of interest. Go's runtime/runtime2.go.
struct CurrentG {
  std::int32_t tls_offset = 0;      // x86-64: of the word that points to it, from fs
  std::uint32_t goid_offset = 0;    // in the g
  std::uint32_t labels_offset = 0;  // 0: the program has none
};

// One thread at a time.
class GoroutineNames {
 public:
  enum class Kind : std::uint8_t { kGo, kOther, kNotYet };

  virtual ~GoroutineNames() = default;
  // Looks at the process anew. kNotYet: it has not come so far that one can tell; ask again.
  virtual Kind look_at(pid_t pid) = 0;
  // Of a process that is kGo.
  virtual std::optional<CurrentG> current_g(pid_t pid) const = 0;
  // The labels that a g's pointer stands for; null for none, and where they could not be read. What a pointer stood for
  // is remembered for a second: programs give their labels anew rather than change them, but may reuse the memory.
  virtual std::shared_ptr<const trace::Labels> labels(pid_t pid, std::uint64_t pointer) = 0;
  // The process has ended, or become another program.
  virtual void forget(pid_t pid) = 0;
};

}  // namespace netpoll::probes
