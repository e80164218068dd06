// Attaches readers to targets, and shows what they read.
#include "cli/snapshot/looks.h"

#include <chrono>
#include <utility>

namespace netpoll::cli {

Result<SnapshotSource> open_live(pid_t pid) {
  auto subject = probes::make_live_subject(pid);
  if (!subject) return std::move(subject).error();
  return SnapshotSource{.subject = std::move(*subject), .describe = [pid] { return probes::describe_target(pid); }};
}

Result<void> Looks::attach(SnapshotSource source) {
  auto reader = probes::attach_reader(*source.subject);
  if (!reader) return std::move(reader).error();
  targets_.push_back({.source = std::move(source), .reader = std::move(*reader)});
  return {};
}

Result<void> Looks::attach_each(const std::vector<pid_t>& pids) {
  const bool alone = pids.size() == 1;
  for (const pid_t pid : pids) {
    auto source = open_live(pid);
    auto attached = source ? attach(std::move(*source)) : Result<void>(std::move(source).error());
    if (attached) continue;
    if (alone) return attached;
    pass_over(attached.error());
  }
  return {};
}

Result<void> Looks::look(bool first) {
  const bool alone = targets_.size() == 1;
  for (std::size_t i = 0; i < targets_.size();) {
    const auto snapshot = take(targets_[i]);
    if (snapshot) {
      if (auto written = out_.snapshot(*snapshot); !written) return written;
      ++i;
      continue;
    }
    if (!first && snapshot.error().is(ErrorKind::kNotFound)) {
      log_.note(snapshot.error().message());
    } else if (alone && passed_over_ == 0) {
      return snapshot.error();
    } else {
      pass_over(snapshot.error());
    }
    targets_.erase(targets_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return {};
}

Result<exporters::SnapshotDocument> Looks::take(const Target& of) {
  auto target = of.source.describe();
  if (!target) return std::move(target).error();
  const auto taken_at = std::chrono::system_clock::now();
  auto snapshot = of.reader->read(read_);
  if (!snapshot) return std::move(snapshot).error();
  if (extend_) extend_(*snapshot);
  for (const std::string& warning : snapshot->warnings) log_.warning(warning);
  if (const std::uint64_t moved = snapshot->inconsistent; moved > 0) {
    inconsistent_ += moved;
    log_.warning(std::to_string(moved) + " goroutines kept moving while they were read");
  }
  return snapshot_document(std::move(*snapshot), *target, taken_at, view_, core_);
}

void Looks::pass_over(const Error& error) {
  ++passed_over_;
  log_.error(error);
}

}  // namespace netpoll::cli
