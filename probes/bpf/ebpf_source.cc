#include "probes/bpf/ebpf_source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fstream>
#include <vector>

#include "probes/bpf/counters.h"
#include "probes/bpf/libbpf_log.h"
#include "probes/bpf/syscall_counts.skel.h"
#include "probes/bpf/task_walk.h"
#include "probes/bpf/uprobe_multi.h"
#include "probes/bpf/usdt_links.h"
#include "probes/process/facts.h"
#include "probes/process/proc_status.h"
#include "probes/process/usdt_notes.h"
#include "probes/process/watch.h"
#include "probes/syscall_numbers.h"

namespace netpoll::probes {
namespace {

struct SkeletonDestroy {
  void operator()(syscall_counts* skeleton) const { syscall_counts__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<syscall_counts, SkeletonDestroy>;

void fill_call_table(unsigned char (&call_of_nr)[NETPOLL_MAX_NR]) {
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    const auto nr = syscall_number(static_cast<Syscall>(i));
    if (nr && *nr < NETPOLL_MAX_NR) call_of_nr[*nr] = static_cast<unsigned char>(i + 1);
  }
}

// Enough for every process id this machine can have, up to NETPOLL_MAX_SLOTS: then no two ids share a slot.
std::uint32_t default_slots() {
  std::uint32_t pid_max = NETPOLL_MAX_SLOTS;
  std::ifstream("/proc/sys/kernel/pid_max") >> pid_max;
  return std::clamp<std::uint32_t>(std::bit_ceil(pid_max), 1024, NETPOLL_MAX_SLOTS);
}

class EbpfSource : public Source {
 public:
  ~EbpfSource() override { detach(); }

  Result<void> load(const SourceOptions& options, const EbpfTuning& tuning);

  Backend backend() const override { return Backend::kEbpf; }
  Result<void> attach(const Target& target) override;
  Result<bool> wait(int timeout_ms, int stop_fd) override { return watch_.wait(timeout_ms, stop_fd); }
  Result<Counts> read() override;
  void detach() override;
  std::string overhead_note() const override;

 private:
  Result<void> link(bpf_program* program);
  Result<void> attach_programs(const Target& target);
  Result<void> attach_usdt(const Target& target);
  Result<void> begin(const Target& target);
  Result<bool> walk(netpoll_task_job job, pid_t pid);
  Result<void> add_calls_in_flight(Counts& counts);
  std::uint64_t missed_runs() const;

  SourceOptions options_;
  UprobeKind uprobes_ = UprobeKind::kSingle;
  Skeleton skeleton_;
  Counters counters_;
  Target target_;
  ProcessWatch watch_;
  std::vector<bpf_link*> links_;
  UsdtLinks usdt_;
  std::array<bool, trace::kTpCount> has_tracepoint_{};
};

Result<void> EbpfSource::load(const SourceOptions& options, const EbpfTuning& tuning) {
  options_ = options;
  const std::uint32_t slots = tuning.slots != 0 ? tuning.slots : default_slots();
  LibbpfLog log;
  skeleton_.reset(syscall_counts__open());
  if (!skeleton_) return bpf_error("open the BPF programs", -errno, log);

  skeleton_->rodata->measure_latency = options.latency;
  skeleton_->rodata->slot_mask = slots - 1;
  fill_call_table(skeleton_->rodata->call_of_nr);
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) return bpf_error("count the CPUs", cpus, log);
  bpf_map__set_max_entries(skeleton_->maps.counters, static_cast<std::uint32_t>(cpus));
  bpf_map__set_max_entries(skeleton_->maps.threads, slots);
  bpf_map__set_max_entries(skeleton_->maps.processes, slots);
  bpf_program__set_autoload(skeleton_->progs.netpoll_enter, options.latency);
  if (options.tracepoints) {
    uprobes_ = tuning.single_uprobes ? UprobeKind::kSingle : best_uprobe_kind();
    if (uprobes_ == UprobeKind::kMulti) {
      bpf_program__set_expected_attach_type(skeleton_->progs.netpoll_usdt, static_cast<bpf_attach_type>(kUprobeMulti));
    }
  } else {
    bpf_program__set_autoload(skeleton_->progs.netpoll_usdt, false);
  }
  const int loaded = syscall_counts__load(skeleton_.get());
  if (loaded != 0) return bpf_error("load the BPF programs", loaded, log);

  auto counters = Counters::map(bpf_map__fd(skeleton_->maps.counters), static_cast<std::size_t>(cpus));
  if (!counters) return std::move(counters).error();
  counters_ = std::move(*counters);
  return {};
}

Result<void> EbpfSource::link(bpf_program* program) {
  LibbpfLog log;
  bpf_link* made = bpf_program__attach(program);
  if (made == nullptr) return bpf_error(std::string("attach ") + bpf_program__name(program), -errno, log);
  links_.push_back(made);
  return {};
}

Result<void> EbpfSource::attach(const Target& target) {
  auto watch = ProcessWatch::open(target.pid);
  if (!watch) return std::move(watch).error();
  watch_ = std::move(*watch);
  if (auto fit = check_countable(target); !fit) return fit;
  target_ = target;
  auto attached = attach_programs(target);
  if (attached && options_.tracepoints) attached = attach_usdt(target);
  if (attached) attached = begin(target);
  if (!attached) {
    detach();
    return std::move(attached.error()).within("attach to pid " + std::to_string(target.pid) + ": ");
  }
  return {};
}

Result<void> EbpfSource::attach_programs(const Target& target) {
  // Nobody is a target yet. Entries come before exits, so that a call which is seen to end has its start time.
  auto& programs = skeleton_->progs;
  std::vector<bpf_program*> order = {programs.netpoll_exit};
  if (target.follow_forks) order.push_back(programs.netpoll_fork);
  if (target.held) order.push_back(programs.netpoll_exec);
  if (options_.latency) order.push_back(programs.netpoll_enter);
  order.push_back(programs.netpoll_leave);
  for (bpf_program* program : order) {
    if (auto linked = link(program); !linked) return linked;
  }
  return {};
}

Result<bool> EbpfSource::walk(netpoll_task_job job, pid_t pid) {
  skeleton_->bss->task_job = job;
  return walk_tasks(skeleton_->progs.netpoll_tasks, pid);
}

// Makes the target a target. What it did before this moment is not counted, nor is the rest of a call it is in.
Result<void> EbpfSource::begin(const Target& target) {
  auto& shared = *skeleton_->bss;
  // BPF knows processes by their number in the initial pid namespace, which in a container is not the one we know.
  auto resolved = walk(NETPOLL_TASKS_RESOLVE, target.pid);
  if (!resolved) return std::move(resolved).error();
  const std::uint32_t tgid =
      *resolved && shared.found_tgid != 0 ? shared.found_tgid : static_cast<std::uint32_t>(target.pid);
  shared.follow_forks = target.follow_forks ? 1 : 0;
  if (target.held) {
    __atomic_store_n(&shared.held_tgid, tgid, __ATOMIC_RELEASE);
    return {};
  }
  shared.paused = 1;
  __atomic_store_n(&shared.root_tgid, tgid, __ATOMIC_SEQ_CST);
  for (const netpoll_task_job job : {NETPOLL_TASKS_MARK, NETPOLL_TASKS_CHECK}) {
    if (auto walked = walk(job, target.pid); !walked) return std::move(walked).error();
  }
  __atomic_store_n(&shared.paused, 0u, __ATOMIC_SEQ_CST);
  return {};
}

Result<void> EbpfSource::attach_usdt(const Target& target) {
  // A process that runs is asked for its file through /proc, which also finds it in another mount namespace or deleted.
  const std::string path = target.held ? target.exe : "/proc/" + std::to_string(living_thread(target.pid)) + "/exe";
  if (path.empty()) return {};
  auto sites = read_usdt_sites(path, "netpoll");
  // A script, or a file we may not read, is no libruntime program.
  if (!sites) return {};
  std::vector<UsdtAttachment> wanted;
  for (const UsdtSite& site : *sites) {
    const auto& table = trace::tracepoints();
    for (std::size_t row = 0; row < table.size(); ++row) {
      if (table[row].name != site.name) continue;
      wanted.push_back({site.offset, site.semaphore_offset, row});
      has_tracepoint_[row] = true;
    }
  }
  // Descendants have their own memory: there the file is probed wherever it runs, and the program asks who hit it.
  const pid_t pid = target.follow_forks ? 0 : target.pid;
  auto links = UsdtLinks::attach(bpf_program__fd(skeleton_->progs.netpoll_usdt), uprobes_, pid, path, wanted);
  if (!links) return std::move(links).error();
  usdt_ = std::move(*links);
  return {};
}

// Runs that the kernel skipped because the same program was already running on that CPU.
std::uint64_t EbpfSource::missed_runs() const {
  std::uint64_t missed = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton_->obj) {
    bpf_prog_info info{};
    __u32 size = sizeof(info);
    const int fd = bpf_program__fd(program);
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0) missed += info.recursion_misses;
  }
  return missed;
}

// Calls that returned are counted in the kernel; those that targets sleep in are added here. They are looked for after
// the counters were read, so a call that returns meanwhile is missed by both rather than counted twice, and the sum
// never falls from one read to the next.
Result<void> EbpfSource::add_calls_in_flight(Counts& counts) {
  auto& shared = *skeleton_->bss;
  if (links_.empty() || (__atomic_load_n(&shared.root_tgid, __ATOMIC_ACQUIRE) == 0 && !target_.follow_forks)) return {};
  std::fill(std::begin(shared.in_flight), std::end(shared.in_flight), netpoll_in_flight{});
  shared.live_processes = 0;
  if (auto walked = walk(NETPOLL_TASKS_IN_FLIGHT, target_.follow_forks ? 0 : target_.pid); !walked) {
    return std::move(walked).error();
  }
  counts.processes = shared.live_processes;
  for (std::size_t i = 0; i < kSyscallCount; ++i) {
    const auto& open = shared.in_flight[i];
    SyscallCounts& row = counts.syscalls[i];
    row.count += open.count - open.before;
    row.in_flight = {open.count, open.before, open.longest_ns};
    if (row.window_ns) *row.window_ns += open.ns;
  }
  return {};
}

Result<Counts> EbpfSource::read() {
  Counts counts = counters_.sum(options_.latency, skeleton_->bss->undone);
  if (auto added = add_calls_in_flight(counts); !added) return std::move(added).error();
  for (std::size_t row = 0; row < has_tracepoint_.size(); ++row) {
    if (has_tracepoint_[row]) counts.tracepoints[row] = counters_.tracepoint(row);
  }
  counts.lost += missed_runs();
  return counts;
}

void EbpfSource::detach() {
  if (!skeleton_) return;
  if (skeleton_->bss != nullptr) {
    __atomic_store_n(&skeleton_->bss->held_tgid, 0u, __ATOMIC_RELAXED);
    __atomic_store_n(&skeleton_->bss->root_tgid, 0u, __ATOMIC_RELAXED);
    __atomic_store_n(&skeleton_->bss->follow_forks, 0u, __ATOMIC_RELAXED);
  }
  usdt_.detach();  // goes on in the background
  while (!links_.empty()) {
    bpf_link__destroy(links_.back());
    links_.pop_back();
  }
}

std::string EbpfSource::overhead_note() const {
  return options_.latency
             ? "eBPF at entry and exit of system calls: about 0.25 us per counted call of the target, about 0.15 us "
               "per "
               "other call, here and in every other process while attached"
             : "eBPF at the exit of system calls: about 0.15 us per counted call of the target, about 0.1 us per other "
               "call, here and in every other process while attached";
}

}  // namespace

Result<std::unique_ptr<Source>> make_ebpf_source(const SourceOptions& options, const EbpfTuning& tuning) {
  auto source = std::make_unique<EbpfSource>();
  if (auto loaded = source->load(options, tuning); !loaded) return std::move(loaded).error();
  return std::unique_ptr<Source>(std::move(source));
}

std::string ebpf_missing_at_build() { return {}; }

}  // namespace netpoll::probes
