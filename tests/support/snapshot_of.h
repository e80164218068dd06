// snapshot_of: one snapshot of a process, by whichever reader takes it.
#pragma once

#include "probes/goroutines/reader.h"

namespace netpoll::test {

inline Result<trace::GoroutineSnapshot> snapshot_of(pid_t pid, const probes::ReadOptions& options = {}) {
  auto subject = probes::make_live_subject(pid);
  if (!subject) return std::move(subject).error();
  auto reader = probes::attach_reader(**subject);
  if (!reader) return std::move(reader).error();
  return (*reader)->read(options);
}

// Name of a frame of the snapshot; empty when there is none.
inline std::string function_of(const trace::GoroutineSnapshot& snapshot, std::optional<std::uint32_t> frame) {
  return frame ? snapshot.frames.at(*frame).function : std::string();
}

}  // namespace netpoll::test
