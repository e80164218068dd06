// Loads, attaches and reads the BPF programs.
#include "probes/bpf/ebpf_source.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "probes/bpf/count_maps.h"
#include "probes/bpf/group_map.h"
#include "probes/bpf/libbpf_log.h"
#include "probes/bpf/process_table.h"
#include "probes/bpf/program_links.h"
#include "probes/bpf/syscall_counts.skel.h"
#include "probes/bpf/targets.h"
#include "probes/bpf/task_walk.h"
#include "probes/bpf/uprobe_multi.h"
#include "probes/bpf/usdt_links.h"
#include "probes/process/cgroups.h"
#include "probes/process/elf/usdt_notes.h"
#include "probes/process/proc_status.h"
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
  for (std::size_t i = 0; i < kSocketCallCount; ++i) {
    const auto call = static_cast<SocketCall>(i);
    const auto nr = syscall_number(call);
    const std::size_t kind = is_for_sockets(call) ? NETPOLL_SOCKET_ALWAYS : NETPOLL_SOCKET_FD;
    if (nr && *nr < NETPOLL_MAX_NR) call_of_nr[*nr] = static_cast<unsigned char>(kind | i);
  }
}

// The memory that counts of single targets may take; it is the kernel's, and not swapped out.
constexpr std::size_t kAccountBytes = std::size_t{256} << 20;

// One of several targets has an account to itself; a single one has that of the sum.
std::size_t own_accounts(std::size_t targets, std::size_t cpus) {
  if (targets < 2) return 0;
  return std::min(targets, kAccountBytes / (cpus * sizeof(netpoll_cpu_counts) + sizeof(netpoll_account)));
}

class EbpfSource : public Source {
 public:
  ~EbpfSource() override { detach(); }

  Result<void> load(const SourceOptions& options, const EbpfTuning& tuning);

  Backend backend() const override { return Backend::kEbpf; }
  using Source::attach;
  Result<void> attach(std::span<const Target> targets) override;
  Result<bool> wait(int timeout_ms, int stop_fd) override { return targets_.wait(timeout_ms, stop_fd); }
  Result<Counts> read() override;
  Result<CountsByTarget> read_each() override;
  Result<std::vector<GroupCounts>> read_groups() override {
    if (options_.group_by == GroupBy::kNothing) return std::vector<GroupCounts>();
    return read_group_map(bpf_map__fd(skeleton_->maps.groups), options_.group_by);
  }
  std::vector<std::string> left_out() const override { return left_out_; }
  void detach() override;
  std::string overhead_note() const override;

 private:
  using Tracepoints = std::array<bool, trace::kTpCount>;
  // One that is attached to.
  struct Attached {
    Target target;
    std::uint32_t account = 0;
    Tracepoints has{};
  };

  Result<void> attach_programs();
  void link_uring();
  Result<void> attach_usdt();
  Result<Tracepoints> attach_usdt_of(const Target& target, const std::string& path);
  Result<void> begin();
  Result<bool> look_for_calls_in_flight();
  Counts counts_of(CountMaps::Range accounts, const Tracepoints& has) const;
  std::uint64_t missed_runs() const;

  SourceOptions options_;
  UprobeKind uprobes_ = UprobeKind::kSingle;
  Skeleton skeleton_;
  CountMaps count_maps_;
  ProcessTable processes_;
  BpfTargets targets_;
  std::vector<Attached> attached_;  // of targets_
  std::vector<std::string> left_out_;
  bool sees_uring_ = false;
  TaskWalk walk_;
  ProgramLinks links_;
  std::vector<UsdtLinks> usdt_;  // one per executable
};

Result<void> EbpfSource::load(const SourceOptions& options, const EbpfTuning& tuning) {
  options_ = options;
  const std::uint32_t slots = tuning.slots != 0 ? tuning.slots : ProcessTable::default_slots();
  LibbpfLog log;
  skeleton_.reset(syscall_counts__open());
  if (!skeleton_) return bpf_error("open the BPF programs", -errno, log);

  skeleton_->rodata->measure_latency = options.latency;
  skeleton_->rodata->slot_mask = slots - 1;
  skeleton_->rodata->group_by = static_cast<std::uint32_t>(options.group_by);
  if (const auto space = own_pid_namespace()) {
    skeleton_->rodata->pidns_dev = space->device;
    skeleton_->rodata->pidns_ino = space->inode;
  }
  fill_call_table(skeleton_->rodata->call_of_nr);
  skeleton_->rodata->cgroups = static_cast<std::uint32_t>(options.cgroups.size());
  for (std::size_t i = 0; i < options.cgroups.size(); ++i) {
    const auto cgroup = find_cgroup(options.cgroups[i]);
    if (!cgroup) return cgroup.error();
    skeleton_->rodata->cgroup_ids[i] = cgroup->id;
    skeleton_->rodata->cgroup_levels[i] = cgroup->level;
  }
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) return bpf_error("count the CPUs", cpus, log);
  const std::size_t accounts = 1 + own_accounts(options.targets, static_cast<std::size_t>(cpus));
  skeleton_->rodata->cpus = static_cast<std::uint32_t>(cpus);
  skeleton_->rodata->own_accounts = static_cast<std::uint32_t>(accounts - 1);
  bpf_map__set_max_entries(skeleton_->maps.counters, static_cast<std::uint32_t>(accounts) * skeleton_->rodata->cpus);
  bpf_map__set_max_entries(skeleton_->maps.accounts, static_cast<std::uint32_t>(accounts));
  bpf_map__set_max_entries(skeleton_->maps.threads, slots);
  bpf_map__set_max_entries(skeleton_->maps.processes, slots);
  bpf_program__set_autoload(skeleton_->progs.netpoll_enter, options.latency);
  bpf_program__set_autoload(skeleton_->progs.netpoll_tasks, options.cgroups.empty());
  bpf_program__set_autoload(skeleton_->progs.netpoll_cgroup_tasks, !options.cgroups.empty());
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

  walk_ = TaskWalk(options.cgroups.empty() ? skeleton_->progs.netpoll_tasks : skeleton_->progs.netpoll_cgroup_tasks,
                   *skeleton_->bss);
  const auto& maps = skeleton_->maps;
  auto mapped =
      CountMaps::map(bpf_map__fd(maps.counters), bpf_map__fd(maps.accounts), accounts, static_cast<std::size_t>(cpus));
  if (!mapped) return std::move(mapped).error();
  count_maps_ = std::move(*mapped);
  auto processes = ProcessTable::map(bpf_map__fd(maps.processes), bpf_map__fd(maps.processes_overflow), slots);
  if (!processes) return std::move(processes).error();
  processes_ = std::move(*processes);
  return {};
}

Result<void> EbpfSource::attach(std::span<const Target> targets) {
  auto watched = BpfTargets::watch(targets, options_.cgroups);
  if (!watched) return std::move(watched).error();
  targets_ = std::move(*watched);
  attached_.clear();
  for (const Target& target : targets) {
    const std::size_t own = targets.size() > 1 ? attached_.size() + 1 : 0;
    attached_.push_back({target, static_cast<std::uint32_t>(own < count_maps_.accounts() ? own : 0)});
  }
  auto attached = attach_programs();
  if (attached && options_.tracepoints) attached = attach_usdt();
  if (attached) attached = begin();
  if (attached) return {};
  detach();
  return targets_.within(std::move(attached).error());
}

Result<void> EbpfSource::attach_programs() {
  // Nobody is a target yet. Entries come before exits, so that a call which is seen to end has its start time.
  auto& programs = skeleton_->progs;
  std::vector<bpf_program*> order = {programs.netpoll_exit};
  skeleton_->bss->leave_forks = !targets_.follow_forks();
  if (!targets_.cgroups()) order.push_back(programs.netpoll_fork);
  if (targets_.held()) order.push_back(programs.netpoll_exec);
  if (options_.latency) order.push_back(programs.netpoll_enter);
  order.push_back(programs.netpoll_leave);
  if (auto attached = links_.attach(order); !attached) return attached;
  link_uring();
  return {};
}

// Where the kernel has no such tracepoint, operations of io_uring stay unknown. Until Linux 6.2 it had the second name.
void EbpfSource::link_uring() {
  LibbpfLog log;
  for (const char* name : {"io_uring_submit_req", "io_uring_submit_sqe"}) {
    bpf_link* made = bpf_program__attach_raw_tracepoint(skeleton_->progs.netpoll_uring, name);
    sees_uring_ = made != nullptr;
    if (!sees_uring_) continue;
    links_.add(made);
    return;
  }
}

// Makes the targets targets. What they did before this moment is not counted, nor is the rest of a call they are in.
Result<void> EbpfSource::begin() {
  auto& shared = *skeleton_->bss;
  if (!targets_.held()) __atomic_store_n(&shared.paused, 1u, __ATOMIC_SEQ_CST);
  if (targets_.follow_forks() || targets_.several()) __atomic_store_n(&shared.use_processes, 1u, __ATOMIC_SEQ_CST);
  for (const Attached& attached : attached_) {
    const auto tgid = walk_.resolve(attached.target.pid);
    if (!tgid) return tgid.error();
    if (targets_.several()) {
      if (auto added = processes_.add(*tgid, attached.account); !added) return added;
    } else {
      __atomic_store_n(targets_.held() ? &shared.held_tgid : &shared.root_tgid, *tgid, __ATOMIC_SEQ_CST);
    }
  }
  if (targets_.held()) return {};
  if (targets_.follow_forks()) {
    if (auto adopted = walk_.adopt_children(); !adopted) return adopted;
  }
  for (const netpoll_task_job job : {NETPOLL_TASKS_MARK, NETPOLL_TASKS_CHECK}) {
    if (auto walked = walk_.run(job, targets_.scope()); !walked) return std::move(walked).error();
  }
  __atomic_store_n(&shared.paused, 0u, __ATOMIC_SEQ_CST);
  return {};
}

Result<void> EbpfSource::attach_usdt() {
  std::map<std::pair<dev_t, ino_t>, Tracepoints> seen;
  for (Attached& attached : attached_) {
    const auto file = file_of(attached.target);
    if (!file) continue;
    const auto [at, fresh] = seen.try_emplace(file->id);
    if (fresh) {
      auto has = attach_usdt_of(attached.target, file->path);
      if (!has) return std::move(has).error();
      at->second = *has;
    }
    attached.has = at->second;
  }
  return {};
}

Result<EbpfSource::Tracepoints> EbpfSource::attach_usdt_of(const Target& target, const std::string& path) {
  Tracepoints has{};
  auto sites = read_usdt_sites(path, "netpoll");
  // A script, or a file we may not read, is no libruntime program.
  if (!sites) return has;
  std::vector<UsdtAttachment> wanted;
  for (const UsdtSite& site : *sites) {
    const auto& table = trace::tracepoints();
    for (std::size_t row = 0; row < table.size(); ++row) {
      if (table[row].name != site.name) continue;
      wanted.push_back({site.offset, site.semaphore_offset, row});
      has[row] = true;
    }
  }
  // Several processes and descendants have memory of their own: there the file is probed wherever it runs, and the
  // program asks who hit it.
  const pid_t pid = targets_.several() || target.follow_forks ? 0 : target.pid;
  std::vector<UsdtRefusal> refused;
  auto links = UsdtLinks::attach(bpf_program__fd(skeleton_->progs.netpoll_usdt), uprobes_, pid, path, wanted, &refused);
  if (!links) return std::move(links).error();
  for (UsdtRefusal& refusal : refused) {
    const std::string name(trace::tracepoints()[refusal.cookie].name);
    if (!options_.best_effort) {
      return std::move(refusal.error).within("tracepoint " + name).with_hint("--best-effort goes on without it");
    }
    has[refusal.cookie] = false;
    left_out_.push_back("the kernel refused the tracepoint " + name +
                        ", which is not counted: " + refusal.error.message());
  }
  usdt_.push_back(std::move(*links));
  return has;
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
// False where there is nobody to look at.
Result<bool> EbpfSource::look_for_calls_in_flight() {
  if (links_.empty()) return false;
  if (targets_.scope() != 0 && __atomic_load_n(&skeleton_->bss->root_tgid, __ATOMIC_ACQUIRE) == 0) return false;
  count_maps_.clear_in_flight();
  if (auto walked = walk_.run(NETPOLL_TASKS_IN_FLIGHT, targets_.scope()); !walked) return std::move(walked).error();
  return true;
}

Counts EbpfSource::counts_of(CountMaps::Range accounts, const Tracepoints& has) const {
  Counts counts = count_maps_.sum(accounts, options_.latency);
  if (!sees_uring_) counts.uring_ops.reset();
  for (std::size_t row = 0; row < has.size(); ++row) {
    if (has[row]) counts.tracepoints[row] = count_maps_.tracepoint(accounts, row);
  }
  return counts;
}

// Calls that returned are counted in the kernel; those that targets sleep in are added here. They are looked for after
// the counters were read, so a call that returns meanwhile is missed by both rather than counted twice, and the sum
// never falls from one read to the next.
Result<Counts> EbpfSource::read() {
  const CountMaps::Range all = {0, count_maps_.accounts()};
  Tracepoints has{};
  for (const Attached& attached : attached_) {
    for (std::size_t row = 0; row < has.size(); ++row) has[row] = has[row] || attached.has[row];
  }
  Counts counts = counts_of(all, has);
  const auto looked = look_for_calls_in_flight();
  if (!looked) return looked.error();
  if (*looked) count_maps_.add_in_flight(all, counts);
  if (skeleton_->bss->leave_forks != 0 && !targets_.cgroups()) {
    counts.forks_left = __atomic_load_n(&skeleton_->bss->forks_left, __ATOMIC_RELAXED);
  }
  counts.lost += missed_runs();
  return counts;
}

Result<CountsByTarget> EbpfSource::read_each() {
  CountsByTarget each;
  if (!targets_.several()) {
    auto counts = read();
    if (!counts) return std::move(counts).error();
    if (!attached_.empty()) each.emplace(attached_.front().target.pid, std::move(*counts));
    return each;
  }
  for (const Attached& attached : attached_) {
    if (attached.account != 0) each.emplace(attached.target.pid, counts_of({attached.account, 1}, attached.has));
  }
  const auto looked = look_for_calls_in_flight();
  if (!looked) return looked.error();
  for (const Attached& attached : attached_) {
    if (*looked && attached.account != 0)
      count_maps_.add_in_flight({attached.account, 1}, each.at(attached.target.pid));
  }
  return each;
}

void EbpfSource::detach() {
  if (!skeleton_) return;
  if (skeleton_->bss != nullptr) {
    __atomic_store_n(&skeleton_->bss->held_tgid, 0u, __ATOMIC_RELAXED);
    __atomic_store_n(&skeleton_->bss->root_tgid, 0u, __ATOMIC_RELAXED);
    __atomic_store_n(&skeleton_->bss->use_processes, 0u, __ATOMIC_RELAXED);
  }
  for (UsdtLinks& links : usdt_) links.detach();  // goes on in the background
  links_.detach();
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
