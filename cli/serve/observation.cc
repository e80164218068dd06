// Attaches, follows who comes and goes, and adds up.
#include "cli/serve/observation.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "cli/documents/counts_json.h"
#include "cli/process_list.h"
#include "cli/version.h"
#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using exporters::MetricFamilies;
using exporters::MetricFamily;
using exporters::MetricType;
using exporters::MetricUnit;

// Processes that are attached to, and of them those whose goroutines are read: a page has to be ready within seconds.
constexpr std::size_t kMaxProcesses = 1024;
constexpr std::size_t kMaxRead = 64;
// How long ptrace and the stream of events wait for each other.
constexpr int kTurnMs = 20;
// At attaching, while processes end under our hands.
constexpr int kTries = 5;

bool is_in(const std::vector<pid_t>& pids, pid_t pid) { return std::find(pids.begin(), pids.end(), pid) != pids.end(); }

// What the tool itself costs, under the names that Prometheus's own libraries use.
MetricFamilies own_cost() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_usec) * 1'000;
  };
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return {MetricFamily{"process_cpu_seconds",
                       MetricType::kCounter,
                       MetricUnit::kSeconds,
                       "CPU time that netpoll-trace itself has used.",
                       {}}
              .add({}, ns(usage.ru_utime) + ns(usage.ru_stime)),
          MetricFamily{"process_resident_memory_bytes",
                       MetricType::kGauge,
                       MetricUnit::kBytes,
                       "Memory that netpoll-trace itself has.",
                       {}}
              .add({}, pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)))};
}

void append(MetricFamilies& to, MetricFamilies more) {
  for (MetricFamily& family : more) to.push_back(std::move(family));
}

}  // namespace

Observation::Observation(Selection selection, Log& log) : selection_(std::move(selection)), log_(log) {}

Result<void> Observation::start() {
  for (const pid_t pid : selection_.pids) {
    auto watch = probes::ProcessWatch::open(pid);
    if (!watch) return std::move(watch).error();
    named_.emplace(pid, std::move(*watch));
  }
  for (const pid_t pid : find()) {
    if (auto watch = probes::ProcessWatch::open(pid)) processes_[pid].watch = std::move(*watch);
  }
  if (selection_.backend == probes::Backend::kNone) return {};
  if (auto counting = attach([this] { return start_counting(); }); !counting) {
    if (selection_.backend != probes::Backend::kAuto) return counting;
    say_once("system calls are not counted", counting.error());
  }
  if (selection_.waits) time_waits();
  return {};
}

// Who is to be observed and lives.
std::vector<pid_t> Observation::find() const {
  std::vector<pid_t> found;
  for (const auto& [pid, watch] : named_) {
    if (watch.alive()) found.push_back(pid);
  }
  const auto add = [&](const std::vector<pid_t>& pids) {
    for (const pid_t pid : pids) {
      if (found.size() < kMaxProcesses && pid != ::getpid() && !is_in(found, pid)) found.push_back(pid);
    }
  };
  if (!selection_.comm.empty()) add(processes_named(selection_.comm));
  for (const probes::Cgroup& cgroup : selection_.cgroups) add(probes::cgroup_members(cgroup.path));
  return found;
}

// Of whom to attach to: nobody, where the kernel knows who is in a cgroup.
std::vector<probes::Target> Observation::targets() const {
  std::vector<probes::Target> all;
  if (by_cgroup()) return all;
  for (const auto& [pid, process] : processes_) {
    const auto info = probes::describe_target(pid);
    all.push_back({pid, /*held=*/false, selection_.follow_forks, info && info->exe ? *info->exe : ""});
  }
  return all;
}

std::vector<std::string> Observation::cgroup_paths() const {
  std::vector<std::string> paths;
  for (const probes::Cgroup& cgroup : selection_.cgroups) paths.push_back(cgroup.path);
  return paths;
}

void Observation::drop_ended() {
  for (auto process = processes_.begin(); process != processes_.end();) {
    process = process->second.watch.alive() ? std::next(process) : processes_.erase(process);
  }
}

// Attaches to all; anew without whoever ended while we did.
Result<void> Observation::attach(const std::function<Result<void>()>& to_all) {
  for (int tries = 1;; ++tries) {
    drop_ended();
    auto attached = by_cgroup() || !processes_.empty() ? to_all() : Result<void>();
    if (attached || !attached.error().is(ErrorKind::kNotFound) || tries == kTries) return attached;
  }
}

Result<void> Observation::start_counting() {
  const auto backend = selection_.backend == probes::Backend::kAuto ? probes::Backend::kEbpf : selection_.backend;
  auto session = probes::Session::choose(
      backend, {.cgroups = cgroup_paths(), .targets = std::max<std::size_t>(processes_.size(), 1)});
  if (!session) return std::move(session).error();
  if (auto attached = session->attach(targets()); !attached) return attached;
  counted_by_ = session->backend();
  session_.emplace(std::move(*session));
  return {};
}

void Observation::stop_counting() {
  if (!session_) return;
  if (auto counts = session_->stop()) {
    if (before_) {
      probes::add_counts(*before_, *counts);
    } else {
      before_ = std::move(*counts);
    }
  } else {
    say_once("the last counts are missing", counts.error());
  }
  session_.reset();
}

void Observation::time_waits() {
  const auto streaming = attach([this] { return start_streaming(); });
  if (!streaming) say_once("waits are not timed", streaming.error());
}

Result<void> Observation::start_streaming() {
  probes::StreamOptions options;
  options.cgroups = cgroup_paths();
  options.uring = false;  // no waits are told from its operations
  const auto& calls = probes::stream_calls();
  for (std::size_t row = 0; row < calls.size(); ++row) {
    options.calls.at(row) = calls.at(row).role != probes::CallRole::kOther;
  }
  auto stream = probes::make_stream_source(probes::Backend::kEbpf, options, nullptr);
  if (!stream) {
    // The rings of libruntime cost nobody anything; to stop a server at each call is no choice.
    auto rings = probes::make_stream_source(probes::Backend::kSelf, options, nullptr);
    if (!rings || by_cgroup() || !(*rings)->attach(targets())) return std::move(stream).error();
    stream_ = std::move(*rings);
    return {};
  }
  if (auto attached = (*stream)->attach(targets()); !attached) return attached;
  stream_ = std::move(*stream);
  return {};
}

void Observation::stop_streaming() {
  if (!stream_) return;
  stream_->detach();
  drain();
  stream_.reset();
}

void Observation::drain() {
  if (auto drained = stream_->drain(events_); !drained) say_once("events are missing", drained.error());
}

void Observation::wait(int timeout_ms, int stop_fd) {
  const bool tracer = session_ && session_->backend() == probes::Backend::kPtrace;
  if (stream_) {
    const auto alive = stream_->wait(tracer ? kTurnMs : timeout_ms, stop_fd);
    if (!alive) say_once("events are missing", alive.error());
    drain();
    if (!alive || !*alive) stop_streaming();
    if (!tracer) return;
  }
  if (session_) {
    const auto alive = session_->wait(tracer && stream_ ? kTurnMs : timeout_ms, stop_fd);
    if (!alive) say_once("system calls are not counted any more", alive.error());
    if (!alive || !*alive) stop_counting();
    return;
  }
  (void)probes::wait_readable(stop_fd, timeout_ms, -1);
}

// Takes leave of who ended, and attaches to who came.
void Observation::refresh() {
  drop_ended();
  bool came = false;
  for (const pid_t pid : find()) {
    if (processes_.contains(pid)) continue;
    auto watch = probes::ProcessWatch::open(pid);
    if (!watch) continue;
    processes_[pid].watch = std::move(*watch);
    came = true;
  }
  if (!came || selection_.backend == probes::Backend::kNone) return;
  // The kernel knows who is in a cgroup; followed forks are attached to already.
  const bool anew = !by_cgroup() && !selection_.follow_forks;
  if (!session_ || anew) {
    stop_counting();
    const auto counting = attach([this] { return start_counting(); });
    if (!counting) say_once("system calls are not counted", counting.error());
  }
  if (selection_.waits && (!stream_ || anew)) {
    stop_streaming();
    time_waits();
  }
}

// One for each of whom was asked for.
MetricFamily Observation::up() const {
  MetricFamily family{
      "netpoll_up", MetricType::kGauge, MetricUnit::kNone, "Whether a process that was asked for is there.", {}};
  for (const auto& [pid, watch] : named_) family.add({{"target", std::to_string(pid)}}, watch.alive() ? 1 : 0);
  if (!selection_.comm.empty()) {
    family.add({{"target", selection_.comm}}, processes_named(selection_.comm).empty() ? 0 : 1);
  }
  for (const probes::Cgroup& cgroup : selection_.cgroups) {
    family.add({{"target", cgroup.name}}, probes::cgroup_members(cgroup.path).empty() ? 0 : 1);
  }
  return family;
}

MetricFamily Observation::sources(bool goroutines) const {
  return MetricFamily{"netpoll_source_up",
                      MetricType::kGauge,
                      MetricUnit::kNone,
                      "Whether figures of this kind can be had here; those of the others are absent.",
                      {}}
      .add({{"source", "goroutines"}}, goroutines ? 1 : 0)
      .add({{"source", "syscalls"}}, session_ ? 1 : 0)
      .add({{"source", "waits"}}, stream_ ? 1 : 0);
}

MetricFamilies Observation::counted() {
  std::optional<probes::Counts> counts = before_;
  if (session_) {
    auto now = session_->read();
    if (!now) {
      say_once("system calls are not counted any more", now.error());
    } else if (counts) {
      probes::add_counts(*counts, *now);
    } else {
      counts = std::move(*now);
    }
  }
  if (!counts) return {};
  exporters::Json document;
  put_counts(document, *counts, counted_by_, std::nullopt, std::nullopt, EventFilter{});
  document["probe"] = {{"backend", std::string(probes::backend_name(counted_by_))}, {"lost", counts->lost}};
  return exporters::result_families(document);
}

std::vector<trace::GoroutineSnapshot> Observation::snapshots() {
  std::vector<trace::GoroutineSnapshot> all;
  for (auto& [pid, process] : processes_) {
    if (all.size() >= kMaxRead) break;
    if (!process.looked) {
      process.looked = true;
      auto subject = probes::make_live_subject(pid);
      if (!subject) {
        if (process.watch.alive())
          say_once("goroutines of pid " + std::to_string(pid) + " are not read", subject.error());
        continue;
      }
      process.subject = std::move(*subject);
      auto reader = probes::attach_reader(*process.subject);
      if (reader) {
        process.reader = std::move(*reader);
      } else {
        log_.detail("goroutines of pid " + std::to_string(pid) + " are not read: " + reader.error().message());
      }
    }
    if (!process.reader) continue;
    auto snapshot = process.reader->read({.stacks = false});
    if (snapshot) {
      all.push_back(std::move(*snapshot));
    } else if (process.watch.alive()) {
      // It executed another program, or is about to end: the next page looks anew.
      process.looked = false;
      process.reader.reset();
    }
  }
  return all;
}

MetricFamilies Observation::collect() {
  refresh();
  if (stream_) drain();
  MetricFamilies families = {exporters::build_family(version()), up()};
  families.push_back(
      MetricFamily{"netpoll_processes", MetricType::kGauge, MetricUnit::kNone, "Processes that are observed.", {}}.add(
          {}, processes_.size()));
  const auto read = snapshots();
  families.push_back(sources(!read.empty()));
  append(families, counted());
  if (selection_.waits && selection_.backend != probes::Backend::kNone) {
    append(families, events_.waits());
    families.push_back(events_.losses());
  }
  if (!read.empty()) append(families, exporters::snapshot_families(read));
  append(families, own_cost());
  return families;
}

void Observation::say_once(const std::string& what, const Error& error) {
  if (std::find(said_.begin(), said_.end(), what) != said_.end()) return;
  said_.push_back(what);
  log_.warning(what + ": " + error.message(), error.hint());
}

}  // namespace netpoll::cli
