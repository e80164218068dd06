// Session: one measurement with one Source, from the choice of the back end to the last reading. `run` and `stat` are
// made of it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "netpoll/result.h"
#include "probes/launch/child.h"
#include "probes/source.h"

namespace netpoll::probes {

// In this order: choose; launch, where the target is a child of ours; attach; for such a child Child::resume(); wait
// and read any number of times; stop. Movable, not thread-safe.
class Session {
 public:
  // As make_source().
  static Result<Session> choose(Backend backend, const SourceOptions& options = {});

  Backend backend() const { return source_->backend(); }
  // For Backend::kAuto, one line per back end that was passed over.
  const std::vector<std::string>& passed_over() const { return passed_over_; }
  std::string overhead_note() const { return source_->overhead_note(); }

  // Starts a child that is held before its exec, with what the source needs of it.
  Result<Child> launch(LaunchSpec spec);
  Result<void> attach(std::span<const Target> targets) { return source_->attach(targets); }
  Result<void> attach(const Target& target) { return source_->attach(target); }
  // Waits until timeout_ms passed, stop_fd became readable, or the last target ended, once. Returns false from the end
  // of the last target on.
  Result<bool> wait(int timeout_ms, int stop_fd);
  Result<Counts> read();
  std::vector<std::string> left_out() const { return source_->left_out(); }
  Result<std::vector<GroupCounts>> read_groups() { return source_->read_groups(); }
  // The last reading; then leaves the targets as they were.
  Result<Counts> stop();

 private:
  explicit Session(std::unique_ptr<Source> source) : source_(std::move(source)) {}

  std::unique_ptr<Source> source_;
  std::vector<std::string> passed_over_;
  bool gone_ = false;
};

}  // namespace netpoll::probes
