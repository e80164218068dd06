// Turns the Gs and pollDescs of libruntime into goroutine records.
#include "probes/goroutines/libruntime/reader.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "libruntime/base/clock.h"
#include "libruntime/symbols/code_map.h"
#include "libruntime/symbols/stacks.h"
#include "netpoll/config.h"
#include "probes/goroutines/endpoints.h"
#include "probes/goroutines/libruntime/goroutine_reader.h"
#include "probes/goroutines/libruntime/runtime_finder.h"
#include "probes/process/images.h"
#include "probes/ptrace/thread_stop.h"

namespace netpoll::probes {
namespace {

// Bits of PdRecord::flags (PdLayout in netpoll/debug/abi.h).
constexpr std::uint32_t kForeignChange = 1U << 2;

// Finds the registrations that somebody removed or changed and the runtime does not know of: it may sleep, waiting for
// just these. The list of the kernel is younger than the records, so a goroutine whose descriptor looks wrong is read
// again: if it has not moved, it was waiting all the time, and its descriptor had to be there.
Result<void> mark_interference(const RuntimeView& view, const RuntimeInfo& runtime, Subject& subject,
                               std::vector<GoroutineRecord>& records) {
  const auto registrations = subject.registrations(runtime.epfd);
  // Not to be read; a live epoll instance holds the wake descriptor at least.
  if (!registrations || registrations->empty()) return {};
  std::vector<std::pair<int, std::uint64_t>> known;
  known.reserve(registrations->size());
  for (const Registration& r : *registrations) known.emplace_back(r.fd, r.data);
  std::sort(known.begin(), known.end());

  std::unordered_map<std::uint64_t, GoroutineRecord*> suspects;
  std::vector<std::uint64_t> indices;
  for (GoroutineRecord& record : records) {
    if (!record.pd || record.pd->fd < 0) continue;
    const std::uint64_t data = static_cast<std::uint64_t>(record.pd->seq) << 32 | record.pd->index;
    if (std::binary_search(known.begin(), known.end(), std::pair(record.pd->fd, data))) continue;
    suspects.emplace(record.g.index, &record);
    indices.push_back(record.g.index);
  }
  if (suspects.empty()) return {};
  auto again = view.read_gs(runtime, indices);
  if (!again) return std::move(again).error();
  for (const GRecord& g : *again) {
    GoroutineRecord& record = *suspects.at(g.index);
    if (record.g.same_moment(g)) record.pd->flags |= kForeignChange;
  }
  return {};
}

trace::RuntimeFacts facts_of(const RuntimeInfo& runtime) {
  // Of a newer runtime perhaps values that we do not know: their names are then empty.
  return {.name = runtime.name,
          .procs = runtime.procs,
          .poll_mode = std::string(poll_mode_name(static_cast<PollMode>(runtime.poll_mode))),
          .trigger = std::string(trigger_name(static_cast<Trigger>(runtime.trigger))),
          .epfd = runtime.epfd};
}

// One reading: gathers the records of all Runtimes, then the names of the code addresses in them.
class Reading {
 public:
  Reading(Subject& subject, symbols::CodeMap& code, const ReadOptions& options, trace::GoroutineSnapshot& snapshot,
          std::optional<std::int64_t> now)
      : subject_(subject), snapshot_(snapshot), now_(now), code_(code), options_(options) {}

  // Reads every Runtime of one view. One that is destroyed meanwhile is left out.
  Result<void> read_view(const RuntimeView& view) {
    auto runtimes = view.runtimes();
    if (!runtimes) return std::move(runtimes).error();
    for (const RuntimeInfo& runtime : *runtimes) {
      StackReader stacks(subject_, view, code_, options_.stacks);
      auto read = read_goroutines(view, runtime, stacks, options_.retries);
      auto published = view.still_published(runtime);
      if (!published) return std::move(published).error();
      if (!*published) continue;
      if (!read) return std::move(read).error();
      snapshot_.inconsistent += read->inconsistent;
      snapshot_.retries += read->retries;
      if (auto r = add_all(view, runtime, stacks, read->records); !r) return r;
    }
    return {};
  }

  // The same in two halves, for a target that is stopped for the first.
  Result<void> copy_view(const RuntimeView& view) {
    auto runtimes = view.runtimes();
    if (!runtimes) return std::move(runtimes).error();
    for (RuntimeInfo& runtime : *runtimes) {
      StackReader stacks(subject_, view, code_, options_.stacks);
      auto copied = copy_goroutines(view, runtime, stacks);
      if (!copied) return std::move(copied).error();
      copies_.push_back({.view = &view, .runtime = std::move(runtime), .stacks = stacks, .copied = std::move(*copied)});
    }
    return {};
  }
  Result<void> look_into_copies() {
    for (Copies& copies : copies_) {
      auto records = look_into(copies.copied, copies.stacks);
      copies.copied = {};
      if (auto r = add_all(*copies.view, copies.runtime, copies.stacks, records); !r) return r;
    }
    return {};
  }

  // Puts what was found into the snapshot, in order, and looks names up.
  void finish() {
    std::vector<Found*> order;  // records are large
    order.reserve(found_.size());
    for (Found& found : found_) order.push_back(&found);
    std::sort(order.begin(), order.end(), [](const Found* a, const Found* b) {
      return a->goroutine.runtime != b->goroutine.runtime ? a->goroutine.runtime < b->goroutine.runtime
                                                          : a->goroutine.goid < b->goroutine.goid;
    });
    symbols::Stacks stacks(code_, snapshot_);
    snapshot_.goroutines.reserve(found_.size());
    for (Found* found : order) {
      stacks.add(found->goroutine, found->unwound, found->start_pc, found->created_pc);
      snapshot_.goroutines.push_back(std::move(found->goroutine));
    }
    found_.clear();
  }

 private:
  struct Found {
    trace::Goroutine goroutine;
    symbols::Unwound unwound;
    std::uint64_t start_pc = 0;
    std::uint64_t created_pc = 0;
  };

  struct Copies {
    const RuntimeView* view;
    RuntimeInfo runtime;
    StackReader stacks;
    GoroutineCopies copied;
  };

  Result<void> add_all(const RuntimeView& view, const RuntimeInfo& runtime, const StackReader& stacks,
                       std::vector<GoroutineRecord>& records) {
    if (auto r = mark_interference(view, runtime, subject_, records); !r) return r;
    for (GoroutineRecord& record : records) add(record);
    if (stacks.labels_left_out()) snapshot_.warnings.emplace_back("labels beyond 64 MiB are left out");
    snapshot_.runtimes.push_back(facts_of(runtime));
    return {};
  }

  void add(GoroutineRecord& record) {
    const GRecord& g = record.g;
    trace::Goroutine result;
    result.goid = g.goid;
    result.runtime = snapshot_.runtimes.size();
    result.status = g_status_name(g.status);
    if (g.parent_goid != 0) result.parent_goid = g.parent_goid;
    result.labels = std::move(record.stack.labels);
    if (g.status == GStatus::kWaiting) {
      result.wait_reason = wait_reason_name(g.wait_reason);
      result.io_wait = g.wait_reason == WaitReason::kIoWait;
      // The coarse clock may be ahead of a clock that was read before it was.
      if (g.wait_since > 0 && now_) result.wait_ns = std::max<std::int64_t>(0, *now_ - g.wait_since);
    }
    if (record.pd) {
      result.fd = record.pd->fd;
      result.fd_source = trace::FdSource::kPoller;
      result.mode = g.wait_mode == 0 ? trace::IoMode::kRead : trace::IoMode::kWrite;
      if (now_) result.deadline_in_ns = deadline_from_now(g.wait_mode == 0 ? record.pd->rd : record.pd->wd, *now_);
      result.foreign_change = (record.pd->flags & kForeignChange) != 0;
    }
    found_.push_back({.goroutine = std::move(result),
                      .unwound = std::move(record.stack.unwound),
                      .start_pc = g.start_pc,
                      .created_pc = g.created_pc});
  }

  Subject& subject_;
  trace::GoroutineSnapshot& snapshot_;
  std::optional<std::int64_t> now_;
  symbols::CodeMap& code_;
  const ReadOptions& options_;
  std::vector<Found> found_;
  std::vector<Copies> copies_;
};

class LibruntimeReader : public Reader {
 public:
  LibruntimeReader(Subject& subject, std::vector<RuntimeView> views)
      : subject_(subject),
        views_(std::move(views)),
        code_([&subject](std::uint64_t address) { return image_at(subject, address); }) {}

  Result<trace::GoroutineSnapshot> read(const ReadOptions& options) override {
    trace::GoroutineSnapshot snapshot;
    snapshot.language = "libruntime";
    snapshot.runtime_version = views_.front().runtime_version();
    snapshot.interest_source = "tables";
    if (*symbols::CodeMap::missing() != '\0') snapshot.warnings.emplace_back(symbols::CodeMap::missing());
    snapshot.taken_at_ns = base::nanotime();
    if (options.endpoints) subject_.expect_describe();
    Reading reading(subject_, code_, options, snapshot, subject_.monotonic_now());
    if (auto read = read_views(reading, options, snapshot); !read) {
      if (read.error().is(ErrorKind::kNotFound)) {
        return Error(ErrorKind::kNotFound, subject_.name() + " ended while it was read");
      }
      return std::move(read).error().within(subject_.name());
    }
    reading.finish();
    if (options.endpoints) add_endpoints(subject_, snapshot, *options.endpoints);
    snapshot.took_ns = base::nanotime() - snapshot.taken_at_ns;
    return snapshot;
  }

 private:
  Result<void> read_views(Reading& reading, const ReadOptions& options, trace::GoroutineSnapshot& snapshot) {
    const bool pause = options.pause || subject_.memory().only_while_stopped();
    if (pause && subject_.pid()) return read_paused(reading, snapshot);
    for (const RuntimeView& view : views_) {
      if (auto r = reading.read_view(view); !r) return r;
    }
    return {};
  }

  // Whatever is not a copy of memory comes when the target runs on.
  Result<void> read_paused(Reading& reading, trace::GoroutineSnapshot& snapshot) {
    auto stop = ThreadStop::stop(*subject_.pid());
    if (!stop) return std::move(stop).error();
    Result<void> done;
    for (const RuntimeView& view : views_) {
      if (done) done = reading.copy_view(view);
    }
    snapshot.paused_ns = stop->release();
    return done ? reading.look_into_copies() : std::move(done);
  }

  Subject& subject_;
  std::vector<RuntimeView> views_;
  symbols::CodeMap code_;
};

}  // namespace

Result<std::optional<std::string>> libruntime_version(Subject& subject) {
  auto views = find_runtime_views(subject);
  if (!views) {
    // The note is there, but we do not understand what it points to.
    const ErrorKind kind = views.error().kind();
    if (kind == ErrorKind::kNotSupported || kind == ErrorKind::kProtocol) return std::optional(std::string());
    return std::move(views).error();
  }
  return views->empty() ? std::nullopt : std::optional(views->front().runtime_version());
}

Result<std::unique_ptr<Reader>> attach_libruntime(Subject& subject) {
  auto views = find_runtime_views(subject);
  if (!views) return std::move(views).error();
  if (views->empty()) return std::unique_ptr<Reader>();
  return std::unique_ptr<Reader>(std::make_unique<LibruntimeReader>(subject, std::move(*views)));
}

}  // namespace netpoll::probes
