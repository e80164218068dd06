// Turns the Gs and pollDescs of libruntime into goroutine records.
#include "probes/goroutines/libruntime/reader.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "libruntime/base/clock.h"
#include "netpoll/config.h"
#include "probes/goroutines/endpoints.h"
#include "probes/goroutines/libruntime/goroutine_reader.h"
#include "probes/goroutines/libruntime/runtime_finder.h"
#include "probes/process/symbols.h"
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
  Reading(Subject& subject, trace::GoroutineSnapshot& snapshot, std::optional<std::int64_t> now)
      : subject_(subject), snapshot_(snapshot), now_(now) {}

  // Reads every Runtime of one view. One that is destroyed meanwhile is left out.
  Result<void> read_view(const RuntimeView& view, int attempts) {
    auto runtimes = view.runtimes();
    if (!runtimes) return std::move(runtimes).error();
    for (const RuntimeInfo& runtime : *runtimes) {
      auto read = read_goroutines(view, runtime, attempts);
      auto published = view.still_published(runtime);
      if (!published) return std::move(published).error();
      if (!*published) continue;
      if (!read) return std::move(read).error();
      if (auto marked = mark_interference(view, runtime, subject_, read->records); !marked) {
        return std::move(marked).error();
      }
      for (const GoroutineRecord& record : read->records) add(record);
      snapshot_.inconsistent += read->inconsistent;
      snapshot_.retries += read->retries;
      snapshot_.runtimes.push_back(facts_of(runtime));
    }
    return {};
  }

  // Names of the frames that were gathered. `known` are those of earlier readings, and grows.
  void add_functions(SymbolNames& known) {
    std::vector<std::uint64_t> unknown;
    for (const auto& [address, index] : frame_at_) {
      if (!known.contains(address)) unknown.push_back(address);
    }
    if (!unknown.empty()) {
      const SymbolNames found = resolve_symbols(subject_, unknown);
      for (const std::uint64_t address : unknown) {
        const auto name = found.find(address);
        known[address] = name == found.end() ? std::string() : goroutine_function(name->second);
      }
    }
    for (const auto& [address, index] : frame_at_) snapshot_.frames[index].function = known.at(address);
  }

 private:
  void add(const GoroutineRecord& record) {
    const GRecord& g = record.g;
    trace::Goroutine result;
    result.goid = g.goid;
    result.runtime = snapshot_.runtimes.size();
    result.status = g_status_name(g.status);
    if (g.parent_goid != 0) result.parent_goid = g.parent_goid;
    result.entry = frame(g.start_pc, g.start_pc);
    // A return address may already belong to the next function; the call before it does not.
    result.created_by = frame(g.created_pc, g.created_pc - 1);
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
    snapshot_.goroutines.push_back(std::move(result));
  }

  // The index of a frame at pc, whose function is the one that holds `lookup`.
  std::optional<std::uint32_t> frame(std::uint64_t pc, std::uint64_t lookup) {
    if (pc == 0) return std::nullopt;
    const auto [at, is_new] = frame_at_.try_emplace(lookup, static_cast<std::uint32_t>(snapshot_.frames.size()));
    if (is_new) {
      trace::Frame frame;
      frame.pc = pc;
      snapshot_.frames.push_back(std::move(frame));
    }
    return at->second;
  }

  Subject& subject_;
  trace::GoroutineSnapshot& snapshot_;
  std::optional<std::int64_t> now_;
  std::unordered_map<std::uint64_t, std::uint32_t> frame_at_;  // by the address whose function it is
};

class LibruntimeReader : public Reader {
 public:
  LibruntimeReader(Subject& subject, std::vector<RuntimeView> views) : subject_(subject), views_(std::move(views)) {}

  Result<trace::GoroutineSnapshot> read(const ReadOptions& options) override {
    trace::GoroutineSnapshot snapshot;
    snapshot.language = "libruntime";
    snapshot.runtime_version = views_.front().runtime_version();
    snapshot.interest_source = "tables";
    snapshot.taken_at_ns = base::nanotime();
    Reading reading(subject_, snapshot, subject_.monotonic_now());
    if (auto read = read_views(reading, options, snapshot); !read) {
      if (read.error().is(ErrorKind::kNotFound)) {
        return Error(ErrorKind::kNotFound, subject_.name() + " ended while it was read");
      }
      return std::move(read).error().within(subject_.name());
    }
    std::sort(snapshot.goroutines.begin(), snapshot.goroutines.end(),
              [](const trace::Goroutine& a, const trace::Goroutine& b) {
                return a.runtime != b.runtime ? a.runtime < b.runtime : a.goid < b.goid;
              });
    add_endpoints(subject_, snapshot);
    reading.add_functions(names_);
    snapshot.took_ns = base::nanotime() - snapshot.taken_at_ns;
    return snapshot;
  }

 private:
  // Addresses and names are looked up later, when a target that was stopped runs on.
  Result<void> read_views(Reading& reading, const ReadOptions& options, trace::GoroutineSnapshot& snapshot) {
    std::optional<ThreadStop> stop;
    if (options.pause && subject_.pid()) {
      auto stopped = ThreadStop::stop(*subject_.pid());
      if (!stopped) return std::move(stopped).error();
      stop.emplace(std::move(*stopped));
    }
    Result<void> done;
    for (const RuntimeView& view : views_) {
      if (done) done = reading.read_view(view, options.retries);
    }
    if (stop) snapshot.paused_ns = stop->release();
    return done;
  }

  Subject& subject_;
  std::vector<RuntimeView> views_;
  SymbolNames names_;  // an empty name: the program has none
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
