// Reads goroutines, interest sets, threads and counts of calls, each as far as it can be had.
#include "cli/top/sampler.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "cli/process_list.h"
#include "probes/process/proc_status.h"

namespace netpoll::cli {
namespace {

double per_second(std::uint64_t count, std::chrono::nanoseconds time) {
  return static_cast<double>(count) / std::chrono::duration<double>(time).count();
}

// Of what grew by so many ns.
double percent_of(std::int64_t ns, std::chrono::nanoseconds time) {
  return 100 * static_cast<double>(std::max<std::int64_t>(ns, 0)) / static_cast<double>(time.count());
}

CallRates rates_of(const probes::Counts& counts, std::chrono::nanoseconds time) {
  CallRates rates;
  for (std::size_t i = 0; i < probes::kSyscallCount; ++i) {
    const auto call = static_cast<probes::Syscall>(i);
    const double calls = per_second(counts.syscalls.at(i).count, time);
    if (probes::waits_for_events(call)) {
      rates.waits += calls;
      rates.wait_events += per_second(counts.waits.at(i).events, time);
      rates.empty_waits += per_second(counts.waits.at(i).empty, time);
    } else if (call == probes::Syscall::epoll_ctl) {
      rates.epoll_ctl += calls;
    } else if (probes::syscall_class(call) == "io") {
      rates.io_calls += calls;
    }
  }
  return rates;
}

std::string in_words(const Error& error) {
  return error.message() + (error.hint().empty() ? "" : " (" + error.hint() + ")");
}

}  // namespace

bool TopSample::has_goroutines() const {
  return std::any_of(processes.begin(), processes.end(), [](const auto& p) { return p.goroutines.has_value(); });
}

bool TopSample::has_registrations() const {
  return std::any_of(processes.begin(), processes.end(),
                     [](const auto& p) { return p.facts.registrations.value_or(0) > 0; });
}

Result<void> Sampler::start() {
  for (const pid_t pid : targets_.pids) {
    auto watch = probes::ProcessWatch::open(pid);
    if (!watch) return std::move(watch).error();
    processes_[pid].watch = std::move(*watch);
  }
  if (!targets_.comm.empty()) {
    for (const pid_t pid : processes_named(targets_.comm)) add(pid);
  }
  if (targets_.backend == probes::Backend::kNone) return {};
  auto counting = start_counting();
  if (!counting && targets_.backend != probes::Backend::kAuto) return counting;
  return {};
}

void Sampler::add(pid_t pid) {
  if (processes_.contains(pid) || pid == ::getpid()) return;
  if (auto watch = probes::ProcessWatch::open(pid)) processes_[pid].watch = std::move(*watch);
}

Result<void> Sampler::start_counting() {
  source_.reset();
  counts_.clear();
  std::vector<probes::Target> targets;
  for (const auto& [pid, process] : processes_) {
    const auto info = probes::describe_target(pid);
    targets.push_back({pid, /*held=*/false, /*follow_forks=*/false, info && info->exe ? *info->exe : ""});
  }
  const auto attach = [&]() -> Result<std::unique_ptr<probes::Source>> {
    const auto backend = targets_.backend == probes::Backend::kAuto ? probes::Backend::kEbpf : targets_.backend;
    auto source = probes::make_source(backend, {.latency = false, .tracepoints = false, .targets = targets.size()},
                                      /*why_not=*/nullptr);
    if (!source) return source;
    if (auto attached = (*source)->attach(targets); !attached) return std::move(attached).error();
    return source;
  };
  if (targets.empty()) return {};
  auto source = attach();
  if (!source) {
    not_counted_ = "calls are not counted: " + in_words(source.error());
    return std::move(source).error();
  }
  not_counted_.clear();
  source_ = std::move(*source);
  return {};
}

// Takes leave of who ended, and turns to who came.
void Sampler::refresh(TopSample& sample) {
  for (auto it = processes_.begin(); it != processes_.end();) {
    if (it->second.watch.alive()) {
      ++it;
      continue;
    }
    sample.ended.push_back(it->second.target.comm.value_or("process") + " " + std::to_string(it->first));
    it = processes_.erase(it);
  }
  if (targets_.comm.empty()) return;
  const std::size_t before = processes_.size();
  for (const pid_t pid : processes_named(targets_.comm)) add(pid);
  if (processes_.size() > before && targets_.backend != probes::Backend::kNone) (void)start_counting();
}

void Sampler::look_for_reader(Process& process) {
  const pid_t pid = process.target.pid;
  process.looked = true;
  process.why_not.clear();
  process.reader.reset();
  process.subject.reset();
  auto subject = probes::make_live_subject(pid);
  if (!subject) {
    process.why_not = subject.error().message();
    return;
  }
  process.subject = std::move(*subject);
  auto reader = probes::attach_reader(*process.subject);
  if (reader) {
    process.reader = std::move(*reader);
  } else if (process.target.kind && *process.target.kind != "other") {
    process.why_not = reader.error().message();
  }
}

void Sampler::read_goroutines(Process& process, ProcessSample& seen, TopSample& sample) {
  const bool all = sample.depth == TopDepth::kAll;
  auto snapshot =
      process.reader->read({.stacks = all, .endpoints = all ? std::optional(probes::Ends::kOwn) : std::nullopt});
  if (!snapshot) {
    // It executed another program, or is about to end: the next look begins anew.
    process.looked = false;
    if (process.watch.alive()) sample.notes.push_back("goroutines were not read: " + snapshot.error().message());
    return;
  }
  if (snapshot->inconsistent > 0) {
    sample.notes.push_back(std::to_string(snapshot->inconsistent) + " goroutines kept moving while they were read");
  }
  for (const std::string& warning : snapshot->warnings) sample.notes.push_back(warning);
  std::uint64_t count = 0, io = 0;
  for (const trace::Goroutine& g : snapshot->goroutines) {
    if (!g.system) ++count;
    if (g.io_wait) ++io;
  }
  seen.facts.goroutines = count;
  seen.facts.io_waits = io;
  seen.goroutines = std::move(*snapshot);
}

void Sampler::read_registrations(pid_t pid, const Process& process, ProcessSample& seen, TopSample& sample) {
  auto pollers = probes::read_interest_sets(pid, probes::Ends::kOwn);
  if (!pollers) {
    if (process.watch.alive()) sample.notes.push_back("interest sets were not read: " + pollers.error().message());
    return;
  }
  std::uint64_t registrations = 0;
  for (const probes::InterestSet& set : pollers->sets) registrations += set.entries.size();
  seen.facts.registrations = registrations;
  seen.sets = std::move(pollers->sets);
}

ProcessSample Sampler::look_at(pid_t pid, Process& process, TopSample& sample) {
  ProcessSample seen;
  const std::string comm = probes::comm_of(pid);
  if (!process.looked || (process.target.comm && *process.target.comm != comm)) {
    if (auto target = probes::describe_target(pid)) process.target = std::move(*target);
    process.target.pid = pid;
    look_for_reader(process);
  }
  seen.facts.target = process.target;
  if (process.reader) read_goroutines(process, seen, sample);
  if (!seen.goroutines) read_registrations(pid, process, seen, sample);
  if (!process.why_not.empty()) sample.notes.push_back("goroutines are not read: " + process.why_not);

  const auto now = Clock::now();
  const auto elapsed = process.before ? now - process.before->at : std::chrono::nanoseconds(0);
  Before after;
  after.at = now;
  for (probes::ThreadStatus& status : probes::read_threads(pid)) {
    ThreadSample thread;
    if (elapsed.count() > 0 && status.cpu_ns) {
      const auto known = process.before->threads.find(status.tid);
      const bool same = known != process.before->threads.end() && known->second.cpu_ns;
      // A thread that began since then has all its time in this interval.
      thread.cpu_percent = percent_of(*status.cpu_ns - (same ? *known->second.cpu_ns : 0), elapsed);
      thread.cpu_delay_percent =
          percent_of(status.cpu_delay_ns.value_or(0) - (same ? known->second.cpu_delay_ns.value_or(0) : 0), elapsed);
      seen.facts.cpu_percent = seen.facts.cpu_percent.value_or(0) + *thread.cpu_percent;
    }
    thread.status = status;
    after.threads[thread.status.tid] = std::move(status);
    seen.threads.push_back(std::move(thread));
  }
  seen.facts.threads = seen.threads.size();
  process.before = std::move(after);
  return seen;
}

void Sampler::read_counts(TopSample& sample) {
  if (!not_counted_.empty()) sample.notes.push_back(not_counted_);
  if (!source_) return;
  sample.backend = source_->backend();
  sample.overhead_note = source_->overhead_note();
  auto counts = source_->read_each();
  if (!counts) {
    sample.notes.push_back("calls were not counted: " + in_words(counts.error()));
    return;
  }
  const auto now = Clock::now();
  for (ProcessSample& process : sample.processes) {
    const auto before = counts_.find(process.facts.target.pid);
    const auto after = counts->find(process.facts.target.pid);
    if (before == counts_.end() || after == counts->end()) continue;
    process.facts.rates = rates_of(probes::counts_between(before->second, after->second), now - counted_at_);
  }
  counts_ = std::move(*counts);
  counted_at_ = now;
}

TopSample Sampler::take(TopDepth depth) {
  TopSample sample;
  sample.depth = depth;
  sample.look = ++looks_;
  sample.taken_at = std::chrono::system_clock::now();
  const auto begin = Clock::now();
  refresh(sample);
  for (auto& [pid, process] : processes_) sample.processes.push_back(look_at(pid, process, sample));
  read_counts(sample);
  sample.took = Clock::now() - begin;
  return sample;
}

}  // namespace netpoll::cli
