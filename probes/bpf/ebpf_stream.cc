// Loads and attaches the programs that stream, and empties their ring.
#include "probes/bpf/ebpf_stream.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <set>
#include <utility>

#include "probes/bpf/libbpf_log.h"
#include "probes/bpf/process_table.h"
#include "probes/bpf/program_links.h"
#include "probes/bpf/syscall_counts.h"
#include "probes/bpf/syscall_stream.h"
#include "probes/bpf/syscall_stream.skel.h"
#include "probes/bpf/targets.h"
#include "probes/bpf/task_walk.h"
#include "probes/bpf/uprobe_multi.h"
#include "probes/bpf/usdt_links.h"
#include "probes/process/cgroups.h"
#include "probes/process/clock.h"
#include "probes/process/elf/usdt_args.h"
#include "probes/process/elf/usdt_notes.h"
#include "probes/process/proc_status.h"
#include "probes/process/watch.h"
#include "probes/stream/goroutine_questions.h"
#include "probes/stream/stream_decoder.h"
#include "probes/stream/vocabulary.h"

namespace netpoll::probes {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kDefaultBuffer = std::size_t{32} << 20;
constexpr std::size_t kLeastBuffer = 4096;
constexpr std::size_t kMostBuffer = std::size_t{1} << 30;
// Records reach the ring this much after their time stamp at the latest, unless the CPU is taken away in between, which
// programs at system calls are not: they run with preemption off.
constexpr std::uint64_t kSettleNs = 2'000'000;
// A busy ring is emptied every few milliseconds; nobody is woken for single records.
constexpr int kBusyMs = 4;
constexpr int kIdleMs = 20;

struct SkeletonDestroy {
  void operator()(syscall_stream* skeleton) const { syscall_stream__destroy(skeleton); }
};

netpoll_stream_job job_of(CallRole role) {
  switch (role) {
    case CallRole::kWait:
      return NETPOLL_JOB_WAIT;
    case CallRole::kCtl:
      return NETPOLL_JOB_CTL;
    case CallRole::kAccept:
      return NETPOLL_JOB_ACCEPT;
    case CallRole::kConnect:
      return NETPOLL_JOB_CONNECT;
    default:
      return NETPOLL_JOB_NONE;
  }
}

netpoll_usdt_arg kernel_arg(const UsdtArg& arg) {
  netpoll_usdt_arg result{};
  result.value = arg.value;
  result.reg_offset = arg.register_offset;
  result.size = arg.size;
  result.is_signed = arg.is_signed ? 1 : 0;
  switch (arg.place) {
    case UsdtArg::Place::kUnknown:
      result.place = NETPOLL_USDT_NONE;
      break;
    case UsdtArg::Place::kConst:
      result.place = NETPOLL_USDT_CONST;
      break;
    case UsdtArg::Place::kRegister:
      result.place = NETPOLL_USDT_REG;
      break;
    case UsdtArg::Place::kMemory:
      result.place = NETPOLL_USDT_MEMORY;
      break;
  }
  return result;
}

// Ours less the kernel's own CLOCK_MONOTONIC.
std::int64_t clock_offset() {
  std::ifstream file("/proc/self/timens_offsets");
  return monotonic_offset(file);
}

std::uint64_t kernel_now(std::int64_t offset) {
  const auto now = steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() - offset);
}

class EbpfStream : public StreamSource {
 public:
  explicit EbpfStream(std::unique_ptr<GoroutineNames> goroutines)
      : clock_offset_(clock_offset()), decoder_(std::move(goroutines), clock_offset_) {}
  ~EbpfStream() override {
    detach();
    ring_buffer__free(ring_);
    if (cpus_ != nullptr) ::munmap(cpus_, cpu_bytes());
  }
  EbpfStream(const EbpfStream&) = delete;
  EbpfStream& operator=(const EbpfStream&) = delete;

  Result<void> load(const StreamOptions& options);

  Backend backend() const override { return Backend::kEbpf; }
  Result<void> attach(std::span<const Target> targets) override;
  Result<bool> wait(int timeout_ms, int stop_fd) override {
    int most = busy_ ? kBusyMs : kIdleMs;
    if (timeout_ms >= 0) most = std::min(timeout_ms, most);
    return targets_.wait(most, stop_fd);
  }
  Result<void> drain(trace::Sink& sink) override;
  Result<void> show_open(trace::Sink& sink) override;
  void detach() override;
  StreamTotals totals() const override;
  std::vector<EventKind> vocabulary() const override;
  std::string overhead_note() const override {
    return "eBPF at entry and exit of system calls, a record each through a ring: 0.15 us per traced call of the target, "
           "0.25 us in a Go program, 1 to 2 us per operation of io_uring, 0.05 us per other call, here and in every other "
           "process while attached";
  }

 private:
  Result<void> attach_programs();
  void attach_uring();
  using TakeEvent = std::function<void(const netpoll_stream_event&)>;
  Result<void> for_open_calls(const TakeEvent& take) const;
  void for_open_operations(const TakeEvent& take) const;
  Result<void> mark_open_calls();
  Result<void> attach_usdt();
  Result<void> attach_usdt_of(const std::string& path);
  Result<void> begin();
  Result<std::uint32_t> add_running(pid_t pid);
  void ask_for_goroutines();
  std::size_t cpu_bytes() const { return sizeof(netpoll_stream_cpu) * cpu_count_; }

  StreamOptions options_;
  std::int64_t clock_offset_;
  StreamDecoder decoder_;
  UprobeKind uprobes_ = UprobeKind::kSingle;
  std::unique_ptr<syscall_stream, SkeletonDestroy> skeleton_;
  ring_buffer* ring_ = nullptr;
  netpoll_stream_cpu* cpus_ = nullptr;
  std::size_t cpu_count_ = 0;
  ProcessTable processes_;
  BpfTargets targets_;
  std::vector<pid_t> members_;  // of cgroups, when they became targets
  GoroutineQuestions questions_;
  TaskWalk walk_;
  ProgramLinks links_;
  std::vector<UsdtLinks> usdt_;
  std::uint32_t usdt_sites_ = 0;
  bool sees_uring_ = false;
  bool busy_ = false;
  bool attached_ = false;
  bool finished_ = false;
};

int take_record(void* decoder, void* data, std::size_t size) {
  static_cast<StreamDecoder*>(decoder)->take({static_cast<const std::byte*>(data), size});
  return 0;
}

Result<void> EbpfStream::load(const StreamOptions& options) {
  options_ = options;
  std::size_t buffer = options.buffer_bytes != 0 ? options.buffer_bytes : kDefaultBuffer;
  buffer = std::bit_ceil(std::clamp(buffer, kLeastBuffer, kMostBuffer));
  LibbpfLog log;
  skeleton_.reset(syscall_stream__open());
  if (!skeleton_) return bpf_error("open the BPF programs", -errno, log);
  for (std::size_t row = 0; row < kStreamCallCount; ++row) {
    const CallRole role = stream_calls().at(row).role;
    options_.calls.at(row) = options.calls.at(row) || changes_descriptors(role);
    const auto nr = stream_call_number(row);
    if (!options_.calls.at(row) || !nr || *nr >= NETPOLL_STREAM_MAX_NR) continue;
    skeleton_->rodata->call_of_nr[*nr].row = static_cast<unsigned char>(row + 1);
    skeleton_->rodata->call_of_nr[*nr].job = static_cast<unsigned char>(job_of(role));
  }
  const std::uint32_t slots = ProcessTable::default_slots();
  skeleton_->rodata->slot_mask = slots - 1;
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) return bpf_error("count the CPUs", cpus, log);
  cpu_count_ = static_cast<std::size_t>(cpus);
  skeleton_->rodata->cpus = static_cast<std::uint32_t>(cpus);
  skeleton_->rodata->cgroups = static_cast<std::uint32_t>(options.cgroups.size());
  for (std::size_t i = 0; i < options.cgroups.size(); ++i) {
    const auto cgroup = find_cgroup(options.cgroups[i]);
    if (!cgroup) return cgroup.error();
    skeleton_->rodata->cgroup_ids[i] = cgroup->id;
    skeleton_->rodata->cgroup_levels[i] = cgroup->level;
  }
  auto& maps = skeleton_->maps;
  bpf_map__set_max_entries(maps.events, static_cast<std::uint32_t>(buffer));
  bpf_map__set_max_entries(maps.cpu_states, static_cast<std::uint32_t>(cpus));
  bpf_map__set_max_entries(maps.threads, slots);
  bpf_map__set_max_entries(maps.processes, slots);
  auto& programs = skeleton_->progs;
  if (options.tracepoints) {
    uprobes_ = best_uprobe_kind();
    if (uprobes_ == UprobeKind::kMulti) {
      bpf_program__set_expected_attach_type(programs.netpoll_stream_usdt, static_cast<bpf_attach_type>(kUprobeMulti));
    }
  } else {
    bpf_program__set_autoload(programs.netpoll_stream_usdt, false);
  }
  if (!options.uring) {
    bpf_program__set_autoload(programs.netpoll_stream_uring_submit, false);
    bpf_program__set_autoload(programs.netpoll_stream_uring_complete, false);
  }
  const int loaded = syscall_stream__load(skeleton_.get());
  if (loaded == -ENOMEM) {
    return bpf_error("get " + std::to_string(buffer >> 20) + " MiB for the ring of events", loaded, log);
  }
  if (loaded != 0) return bpf_error("load the BPF programs", loaded, log);
  walk_ = TaskWalk(programs.netpoll_stream_tasks, *skeleton_->bss);
  ring_ = ring_buffer__new(bpf_map__fd(maps.events), take_record, &decoder_, nullptr);
  if (ring_ == nullptr) return bpf_error("map the ring of events", -errno, log);
  void* states = ::mmap(nullptr, cpu_bytes(), PROT_READ, MAP_SHARED, bpf_map__fd(maps.cpu_states), 0);
  if (states == MAP_FAILED) return posix_error("mmap(BPF map)", errno);
  cpus_ = static_cast<netpoll_stream_cpu*>(states);
  auto processes = ProcessTable::map(bpf_map__fd(maps.processes), bpf_map__fd(maps.processes_overflow), slots);
  if (!processes) return std::move(processes).error();
  processes_ = std::move(*processes);
  return {};
}

Result<void> EbpfStream::attach(std::span<const Target> targets) {
  auto watched = BpfTargets::watch(targets, options_.cgroups);
  if (!watched) return std::move(watched).error();
  targets_ = std::move(*watched);
  for (const std::string& cgroup : options_.cgroups) {
    for (const pid_t pid : cgroup_members(cgroup)) members_.push_back(pid);
  }
  attached_ = true;
  auto attached = attach_programs();
  if (attached && options_.tracepoints) attached = attach_usdt();
  if (attached) attached = begin();
  if (attached) return {};
  detach();
  return targets_.within(std::move(attached).error());
}

Result<void> EbpfStream::attach_programs() {
  // Nobody is a target yet. Entries come before exits, so that a call which is seen to end has its start time.
  auto& programs = skeleton_->progs;
  std::vector<bpf_program*> order = {programs.netpoll_stream_exit, programs.netpoll_stream_exec};
  if (targets_.cgroups() || targets_.follow_forks()) order.push_back(programs.netpoll_stream_fork);
  order.push_back(programs.netpoll_stream_enter);
  order.push_back(programs.netpoll_stream_leave);
  if (auto attached = links_.attach(order); !attached) return attached;
  if (options_.uring) attach_uring();
  return {};
}

// Where the kernel has no such tracepoints its operations are no events of the stream. Until Linux 6.2 the second had
// the last name.
void EbpfStream::attach_uring() {
  LibbpfLog log;
  const auto attach = [&](bpf_program* program, const char* name) {
    bpf_link* made = bpf_program__attach_raw_tracepoint(program, name);
    if (made != nullptr) links_.add(made);
    return made != nullptr;
  };
  auto& programs = skeleton_->progs;
  sees_uring_ = attach(programs.netpoll_stream_uring_complete, "io_uring_complete") &&
                (attach(programs.netpoll_stream_uring_submit, "io_uring_submit_req") ||
                 attach(programs.netpoll_stream_uring_submit, "io_uring_submit_sqe"));
}

// Tells the decoder of a process that runs already; its number for the kernel.
Result<std::uint32_t> EbpfStream::add_running(pid_t pid) {
  auto tgid = walk_.resolve(pid);
  if (!tgid) return tgid;
  decoder_.add_target(*tgid, pid, /*load=*/true);
  questions_.add(*tgid, pid);
  return tgid;
}

Result<void> EbpfStream::begin() {
  auto& shared = *skeleton_->bss;
  if (targets_.cgroups()) {
    // They are targets already. What is looked up now may be younger than the first events, which then change nothing.
    decoder_.expect_strangers();
    for (const pid_t pid : members_) {
      if (auto added = add_running(pid); !added) return std::move(added).error();
    }
    ask_for_goroutines();
    return mark_open_calls();
  }
  const bool held = targets_.held();
  std::vector<std::uint32_t> tgids;
  for (const Target& target : targets_.processes()) {
    // What is open and registered now is looked up first: from then on the events say what changes.
    const auto tgid = held ? walk_.resolve(target.pid) : add_running(target.pid);
    if (!tgid) return tgid.error();
    if (held) decoder_.add_target(*tgid, target.pid, /*load=*/false);
    tgids.push_back(*tgid);
  }
  ask_for_goroutines();
  if (targets_.follow_forks() || targets_.several()) __atomic_store_n(&shared.use_processes, 1u, __ATOMIC_SEQ_CST);
  for (const std::uint32_t tgid : tgids) {
    if (targets_.several()) {
      if (auto added = processes_.add(tgid, /*account=*/0); !added) return added;
    } else {
      __atomic_store_n(held ? &shared.held_tgid : &shared.root_tgid, tgid, __ATOMIC_SEQ_CST);
    }
  }
  if (held) return {};
  if (targets_.follow_forks()) {
    if (auto adopted = walk_.adopt_children(); !adopted) return adopted;
  }
  return mark_open_calls();
}

// Everybody is a target by now: a call that nobody saw begin had begun before.
Result<void> EbpfStream::mark_open_calls() {
  if (auto walked = walk_.run(NETPOLL_TASKS_MARK, targets_.scope()); !walked) return std::move(walked).error();
  return {};
}

Result<void> EbpfStream::attach_usdt() {
  std::set<std::pair<dev_t, ino_t>> seen;
  std::vector<Target> targets = targets_.processes();
  for (const pid_t pid : members_) targets.push_back({.pid = pid, .held = false, .follow_forks = false, .exe = {}});
  for (const Target& target : targets) {
    const auto file = file_of(target);
    if (!file || !seen.insert(file->id).second) continue;
    if (auto attached = attach_usdt_of(file->path); !attached) return attached;
  }
  return {};
}

Result<void> EbpfStream::attach_usdt_of(const std::string& path) {
  auto sites = read_usdt_sites(path, "netpoll");
  // A script, or a file we may not read, is no libruntime program.
  if (!sites) return {};
  std::vector<UsdtAttachment> wanted;
  for (const UsdtSite& site : *sites) {
    const auto& table = trace::tracepoints();
    const auto row = std::find_if(table.begin(), table.end(), [&](const auto& info) { return info.name == site.name; });
    if (row == table.end()) continue;
    if (usdt_sites_ >= NETPOLL_MAX_USDT_SITES) {
      return Error(ErrorKind::kNotSupported, path + " has more than " + std::to_string(NETPOLL_MAX_USDT_SITES) +
                                                 " places with a probe of libruntime");
    }
    netpoll_usdt_site described{};
    described.row = static_cast<std::uint32_t>(row - table.begin());
    const auto args = parse_usdt_args(site.args);
    described.argc = static_cast<std::uint32_t>(std::min<std::size_t>(args.size(), NETPOLL_STREAM_ARGS));
    for (std::uint32_t i = 0; i < described.argc; ++i) described.args[i] = kernel_arg(args[i]);
    const std::uint32_t number = usdt_sites_++;
    const int stored = bpf_map_update_elem(bpf_map__fd(skeleton_->maps.usdt_sites), &number, &described, BPF_ANY);
    if (stored != 0) return posix_error("describe the probe " + site.name, -stored);
    wanted.push_back({site.offset, site.semaphore_offset, number});
  }
  auto links = UsdtLinks::attach(bpf_program__fd(skeleton_->progs.netpoll_stream_usdt), uprobes_, targets_.scope(),
                                 path, wanted);
  if (!links) return std::move(links).error();
  usdt_.push_back(std::move(*links));
  return {};
}

void EbpfStream::ask_for_goroutines() {
  if (decoder_.goroutines() == nullptr) return;
  questions_.ask(*decoder_.goroutines(), [this](std::uint32_t tgid, const CurrentG& current) {
    const netpoll_go_program program{current.tls_offset, current.goid_offset, current.labels_offset};
    // Beyond NETPOLL_MAX_GO_PROGRAMS at a time its goroutines stay unknown.
    bpf_map_update_elem(bpf_map__fd(skeleton_->maps.go_programs), &tgid, &program, BPF_ANY);
    __atomic_store_n(&skeleton_->bss->has_go_programs, 1u, __ATOMIC_RELAXED);
  });
}

Result<void> EbpfStream::drain(trace::Sink& sink) {
  if (ring_ == nullptr) return {};
  const std::uint64_t begin = kernel_now(clock_offset_);
  const int taken = ring_buffer__consume(ring_);
  if (taken < 0) return posix_error("read the ring of events", -taken);
  busy_ = taken > 0;
  const bool last = !attached_;
  decoder_.give(last ? UINT64_MAX : begin - kSettleNs, sink);
  if (last && !finished_) {
    finished_ = true;
    for_open_operations([this](const netpoll_stream_event& event) { decoder_.take(event); });
    decoder_.give(UINT64_MAX, sink);
    decoder_.finish({cpus_, cpu_count_}, begin, sink);
  }
  for (const auto& [tgid, pid] : decoder_.take_new_programs()) questions_.add(tgid, pid);
  if (attached_) ask_for_goroutines();
  return {};
}

Result<void> EbpfStream::for_open_calls(const TakeEvent& take) const {
  std::vector<std::byte> written;
  if (auto walked = walk_.run(NETPOLL_TASKS_IN_FLIGHT, targets_.scope(), &written); !walked)
    return std::move(walked).error();
  netpoll_stream_event event;
  for (std::size_t at = 0; at + sizeof(event) <= written.size(); at += sizeof(event)) {
    std::memcpy(&event, written.data() + at, sizeof(event));
    take(event);
  }
  return {};
}

// Of processes that still run.
void EbpfStream::for_open_operations(const TakeEvent& take) const {
  if (!sees_uring_) return;
  const int map = bpf_map__fd(skeleton_->maps.uring_ops);
  const std::uint64_t now = kernel_now(clock_offset_);
  std::uint64_t key = 0;
  for (const void* previous = nullptr; bpf_map_get_next_key(map, previous, &key) == 0; previous = &key) {
    netpoll_uring_op op{};
    if (bpf_map_lookup_elem(map, &key, &op) != 0 || !decoder_.knows(op.tgid)) continue;
    netpoll_stream_event event{};
    event.time_ns = now;
    event.start_ns = op.start_ns;
    event.cpu = NETPOLL_STREAM_NO_CPU;
    event.kind = NETPOLL_STREAM_URING_OPEN;
    event.row = op.opcode;
    event.tgid = op.tgid;
    event.tid = op.tid;
    event.args[NETPOLL_URING_USER_DATA] = op.user_data;
    event.args[NETPOLL_URING_FD] = static_cast<std::uint64_t>(op.fd);
    event.args[NETPOLL_URING_FIXED] = op.fixed;
    take(event);
  }
}

Result<void> EbpfStream::show_open(trace::Sink& sink) {
  if (!attached_) return {};
  const auto show = [&](const netpoll_stream_event& event) { decoder_.show(event, sink); };
  if (auto shown = for_open_calls(show); !shown) return shown;
  for_open_operations(show);
  return {};
}

void EbpfStream::detach() {
  if (!skeleton_ || !attached_) return;
  attached_ = false;
  // Calls that are under way now will return when nobody looks.
  __atomic_store_n(&skeleton_->bss->ending, 1u, __ATOMIC_SEQ_CST);
  static_cast<void>(for_open_calls([this](const netpoll_stream_event& event) { decoder_.take(event); }));
  __atomic_store_n(&skeleton_->bss->held_tgid, 0u, __ATOMIC_RELAXED);
  __atomic_store_n(&skeleton_->bss->root_tgid, 0u, __ATOMIC_RELAXED);
  __atomic_store_n(&skeleton_->bss->use_processes, 0u, __ATOMIC_RELAXED);
  for (UsdtLinks& links : usdt_) links.detach();  // goes on in the background
  links_.detach();
}

StreamTotals EbpfStream::totals() const {
  StreamTotals totals;
  totals.events = decoder_.events();
  totals.lost_by_cpu.resize(cpu_count_);
  for (const auto& [cpu, count] : decoder_.lost()) {
    totals.lost += count;
    if (cpu < cpu_count_) totals.lost_by_cpu[cpu] += count;
  }
  for (std::size_t cpu = 0; cpus_ != nullptr && cpu < cpu_count_; ++cpu) totals.foreign += cpus_[cpu].compat;
  return totals;
}

std::vector<EventKind> EbpfStream::vocabulary() const {
  std::vector<EventKind> kinds;
  add_call_kinds(kinds, options_);
  if (!usdt_.empty()) add_tracepoint_kinds(kinds);
  if (sees_uring_) add_uring_kinds(kinds);
  add_process_kinds(kinds);
  return kinds;
}

}  // namespace

Result<std::unique_ptr<StreamSource>> make_ebpf_stream(const StreamOptions& options,
                                                       std::unique_ptr<GoroutineNames> goroutines) {
  auto source = std::make_unique<EbpfStream>(std::move(goroutines));
  if (auto loaded = source->load(options); !loaded) return std::move(loaded).error();
  return std::unique_ptr<StreamSource>(std::move(source));
}

}  // namespace netpoll::probes
