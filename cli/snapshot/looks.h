// Looks: the targets of `snapshot`, looked at one after the other, once or again and again.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/documents/snapshot.h"
#include "cli/emit.h"
#include "cli/log.h"
#include "netpoll/result.h"
#include "probes/goroutines/reader.h"
#include "probes/goroutines/target_info.h"

namespace netpoll::cli {

// Whose memory is read.
struct SnapshotSource {
  std::unique_ptr<probes::Subject> subject;
  std::function<Result<probes::TargetInfo>()> describe;
};
Result<SnapshotSource> open_live(pid_t pid);

// One of several targets that cannot be read is said, and passed over.
class Looks {
 public:
  // core: the file that is read instead of a process. extend, which may be empty, adds to a snapshot before it is
  // shown. What is referred to outlives this.
  Looks(const probes::ReadOptions& read, const SnapshotView& view, std::string core,
        std::function<void(trace::GoroutineSnapshot&)> extend, Emitter& out, Log& log)
      : read_(read), view_(view), core_(std::move(core)), extend_(std::move(extend)), out_(out), log_(log) {}

  Result<void> attach(SnapshotSource source);
  Result<void> attach_each(const std::vector<pid_t>& pids);
  // first: a process that ends later has simply been looked at long enough.
  Result<void> look(bool first);

  bool over() const { return targets_.empty(); }
  std::size_t passed_over() const { return passed_over_; }
  std::uint64_t inconsistent() const { return inconsistent_; }  // goroutines that kept moving

 private:
  struct Target {
    SnapshotSource source;
    std::unique_ptr<probes::Reader> reader;
  };

  Result<exporters::SnapshotDocument> take(const Target& of);
  void pass_over(const Error& error);

  const probes::ReadOptions& read_;
  const SnapshotView& view_;
  const std::string core_;
  const std::function<void(trace::GoroutineSnapshot&)> extend_;
  Emitter& out_;
  Log& log_;
  std::vector<Target> targets_;
  std::size_t passed_over_ = 0;
  std::uint64_t inconsistent_ = 0;
};

}  // namespace netpoll::cli
