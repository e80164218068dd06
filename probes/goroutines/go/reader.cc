// Turns the g's, stacks and pollDescs of a Go program into goroutine records.
#include "probes/goroutines/go/reader.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libruntime/base/clock.h"
#include "probes/goroutines/endpoints.h"
#include "probes/goroutines/go/build_info.h"
#include "probes/goroutines/go/frame_table.h"
#include "probes/goroutines/go/labels.h"
#include "probes/goroutines/go/poll_descs.h"
#include "probes/goroutines/go/program.h"
#include "probes/goroutines/go/running.h"
#include "probes/goroutines/go/sampler.h"
#include "probes/process/blocking_calls.h"
#include "probes/process/elf/elf_files.h"
#include "probes/ptrace/thread_stop.h"

namespace netpoll::probes {
namespace {

std::string_view status_name(GoStatus status) {
  switch (status) {
    case GoStatus::kRunnable:
      return "runnable";
    case GoStatus::kRunning:
      return "running";
    case GoStatus::kSyscall:
      return "syscall";
    case GoStatus::kWaiting:
      return "waiting";
    case GoStatus::kCopyStack:
      return "copystack";
    case GoStatus::kPreempted:
      return "preempted";
    case GoStatus::kLeaked:
      return "leaked";
    default:
      return "unknown";
  }
}

// The thread of a goroutine, and the system call that it is in.
struct ThreadState {
  pid_t tid = -1;
  std::optional<ThreadCall> call;
  std::optional<CallChain> running;  // the stack of a goroutine that runs
};

// One reading.
class Reading {
 public:
  Reading(Subject& subject, const GoProgram& program)
      : subject_(subject),
        program_(program),
        now_(subject.monotonic_now()),
        frames_(program.pclntab),
        running_(subject, program) {}

  Result<trace::GoroutineSnapshot> take(Sampler& sampler, const ReadOptions& options) {
    const bool pause = options.pause && subject_.pid();
    auto samples = pause ? read_paused(sampler, options) : read_live(sampler, options);
    if (!samples) return std::move(samples).error();
    if (auto r = find_labels(samples->list); !r) return std::move(r).error();
    // In order of goid. Samples are sorted by their addresses, since records are large.
    std::vector<const Sample*> order;
    for (const Sample& sample : samples->list) order.push_back(&sample);
    std::sort(order.begin(), order.end(), [](const Sample* a, const Sample* b) { return a->g.goid < b->g.goid; });
    snapshot_.goroutines.reserve(order.size());
    for (const Sample* sample : order) add(*sample);
    snapshot_.retries = samples->retries;
    snapshot_.runtimes.push_back({.name = {}, .procs = {}, .poll_mode = {}, .trigger = {}, .epfd = epfd_});
    snapshot_.frames = std::move(frames_).take();
    if (options.endpoints) {
      if (auto r = look_at_descriptors(samples->list, *options.endpoints); !r) return std::move(r).error();
    }
    return std::move(snapshot_);
  }

 private:
  // The poller's tables are younger than the goroutines: one that waited then and still does waited all the time.
  Result<Samples> read_live(Sampler& sampler, const ReadOptions& options) {
    auto samples = sampler.read(options.retries, options.stacks);
    if (!samples) return samples;
    if (program_.layout.poll_desc) {
      const PollSet set = list_registrations();
      waits_ = poll_waits(set, read_poll_descs(subject_.memory(), *program_.layout.poll_desc, set));
      auto waiters = select(samples->list, [](const Sample& sample) { return sample.g.in_io_wait(); });
      if (auto r = drop_unmoved(waiters); !r) return std::move(r).error();
      for (Sample* moved : waiters) moved->stable = false;
    }
    auto owners = select(samples->list, has_thread);
    if (auto r = find_threads(owners); !r) return std::move(r).error();
    if (options.stacks) find_running(owners, sampler);
    if (auto r = drop_unmoved(owners); !r) return std::move(r).error();
    for (Sample* moved : owners) {
      threads_.erase(moved->g.address);
      moved->stable = false;
    }
    return samples;
  }

  // What takes long is done before the target stops, or after it runs on.
  Result<Samples> read_paused(Sampler& sampler, const ReadOptions& options) {
    const PollSet set = program_.layout.poll_desc ? list_registrations() : PollSet();
    auto stop = ThreadStop::stop(*subject_.pid());
    if (!stop) return std::move(stop).error();
    auto copies = sampler.copy_all(options.stacks);
    std::vector<std::optional<PollDescRecord>> descs;
    if (program_.layout.poll_desc) descs = read_poll_descs(subject_.memory(), *program_.layout.poll_desc, set);
    // Now, since a call that was interrupted starts anew when the target runs on.
    Result<void> threads;
    if (copies) {
      for (Sampler::Batch& batch : *copies) {
        const auto owners = select(batch.samples, has_thread);
        if (threads) threads = find_threads(owners);
        if (threads && options.stacks) find_running(owners, sampler);
      }
    }
    snapshot_.paused_ns = stop->release();
    waits_ = poll_waits(set, descs);
    if (!copies) return std::move(copies).error();
    if (!threads) return std::move(threads).error();
    return sampler.look_into(std::move(*copies), options.stacks);
  }

  PollSet list_registrations() {
    PollSet set = read_poll_set(subject_, *program_.layout.poll_desc);
    epfd_ = set.epfd;
    snapshot_.interest_source = set.epfd >= 0 ? subject_.interest_source() : "stacks";
    return set;
  }

  // The threads of goroutines that run or are in a system call, and which call that is.
  Result<void> find_threads(const std::vector<Sample*>& owners) {
    std::vector<std::uint64_t> tids(owners.size());
    std::vector<ReadPiece> pieces;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      pieces.push_back({.address = owners[i]->g.m + program_.layout.g.m_procid, .into = &tids[i], .size = 8});
    }
    if (auto r = subject_.memory().read_batch(pieces); !r) return r;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (!pieces[i].done || tids[i] == 0 || tids[i] > INT32_MAX) continue;
      ThreadState& thread = threads_[owners[i]->g.address];
      thread.tid = static_cast<pid_t>(tids[i]);
      if (owners[i]->g.status == GoStatus::kSyscall) thread.call = subject_.thread_call(thread.tid);
    }
    return {};
  }

  // The stacks of those that run, where their threads' registers are known and stay the same meanwhile.
  void find_running(const std::vector<Sample*>& owners, Sampler& sampler) {
    for (const Sample* owner : owners) {
      const auto thread = threads_.find(owner->g.address);
      if (owner->g.status != GoStatus::kRunning || thread == threads_.end()) continue;
      const pid_t tid = thread->second.tid;
      const auto before = subject_.thread_registers(tid);
      const auto registers = before ? running_.find(owner->g, tid) : std::nullopt;
      if (!registers) continue;
      CallChain chain = sampler.unwind_running(owner->g, *registers);
      if (subject_.thread_registers(tid) == before) thread->second.running = std::move(chain);
    }
  }

  static bool has_thread(const Sample& sample) {
    return sample.g.m != 0 && (sample.g.status == GoStatus::kSyscall || sample.g.status == GoStatus::kRunning);
  }

  template <typename Which>
  static std::vector<Sample*> select(std::vector<Sample>& samples, const Which& which) {
    std::vector<Sample*> selected;
    for (Sample& sample : samples) {
      if (which(sample)) selected.push_back(&sample);
    }
    return selected;
  }

  // Leaves those whose g is not as it was.
  Result<void> drop_unmoved(std::vector<Sample*>& samples) {
    std::vector<const GoG*> gs;
    for (const Sample* sample : samples) gs.push_back(&sample->g);
    const auto same = same_moments(subject_.memory(), program_.layout.g, gs);
    if (!same) return same.error();
    std::size_t kept = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (!(*same)[i]) samples[kept++] = samples[i];
    }
    samples.resize(kept);
    return {};
  }

  Result<void> find_labels(const std::vector<Sample>& samples) {
    std::vector<std::uint64_t> pointers;
    for (const Sample& sample : samples) {
      if (sample.g.labels != 0) pointers.push_back(sample.g.labels);
    }
    std::sort(pointers.begin(), pointers.end());
    pointers.erase(std::unique(pointers.begin(), pointers.end()), pointers.end());
    std::uint64_t left_out = 0;
    auto labels = read_labels(subject_.memory(), program_.layout.labels, pointers, &left_out);
    if (!labels) return std::move(labels).error();
    if (left_out > 0) {
      snapshot_.warnings.push_back("labels are too many to be read in full: " + std::to_string(left_out) +
                                   " sets of labels are missing, or lack some");
    }
    labels_ = std::move(*labels);
    return {};
  }

  // Adds what the descriptors are. One whose number was closed or reused behind the runtime's back, while a duplicate
  // keeps the file open and registered, is told by its inode.
  Result<void> look_at_descriptors(std::vector<Sample>& samples, Ends ends) {
    const Descriptors descriptors = add_endpoints(subject_, snapshot_, ends);
    if (descriptors.empty()) return {};
    std::unordered_map<std::uint64_t, trace::Goroutine*> suspects;
    for (trace::Goroutine& g : snapshot_.goroutines) {
      const auto registered = registered_.find(g.goid);
      if (!g.io_wait || !g.fd || registered == registered_.end()) continue;
      const auto now = descriptors.find(*g.fd);
      if (now != descriptors.end() && (!now->second.inode || *now->second.inode == registered->second)) continue;
      g.fd_state = now == descriptors.end() ? "closed" : "reused";
      suspects[g.goid] = &g;
    }
    if (suspects.empty()) return {};
    // Closing by the runtime's own ways wakes who waits: only one that still does was not told.
    auto moved = select(samples, [&](const Sample& sample) { return suspects.contains(sample.g.goid); });
    if (auto r = drop_unmoved(moved); !r) return r;
    for (const Sample* sample : moved) suspects.at(sample->g.goid)->fd_state.clear();
    for (const auto& [goid, g] : suspects) forget_endpoint(*g);
    return {};
  }

  static void forget_endpoint(trace::Goroutine& g) {
    g.kind.clear();
    g.local.clear();
    g.peer.clear();
    g.tcp_state.clear();
    g.recv_queue_bytes.reset();
    g.send_queue_bytes.reset();
    g.socket_idle_ns.reset();
    g.peer_processes.clear();
  }

  void add(const Sample& sample) {
    const GoG& g = sample.g;
    trace::Goroutine record;
    record.goid = g.goid;
    if (g.parent_goid != 0) record.parent_goid = g.parent_goid;
    record.status = status_name(g.status);
    if (g.waits()) {
      record.wait_reason = program_.wait_reasons.name(g.wait_reason);
      record.io_wait = g.in_io_wait();
      const auto since = static_cast<std::int64_t>(g.wait_since);
      if (since > 0 && now_) record.wait_at_least_ns = std::max<std::int64_t>(0, *now_ - since);
    }
    record.locked_to_thread = g.locked_m != 0;
    record.stable = sample.stable;
    if (!sample.stable) ++snapshot_.inconsistent;
    if (const auto found = labels_.find(g.labels); found != labels_.end()) record.labels = found->second;
    record.entry = frames_.function(g.start_pc);
    // The main goroutine was created by the runtime's start (Go: traceback.go, printcreatedby, leaves it out too).
    if (g.goid != 1) record.created_by = frames_.creator(g.go_pc);
    record.system = is_system(g, record);
    const auto thread = threads_.find(g.address);
    const bool runs = thread != threads_.end() && thread->second.running;
    const CallChain& chain = runs ? *thread->second.running : sample.chain;
    for (const CodePlace& place : chain.places) {
      const auto& frames = frames_.at(place);
      record.stack.insert(record.stack.end(), frames.begin(), frames.end());
    }
    record.stack_ends_early = chain.ends_early;
    if (g.in_io_wait()) add_wait(sample, record);
    if (thread != threads_.end()) add_thread(thread->second, record);
    snapshot_.goroutines.push_back(std::move(record));
  }

  // As the runtime's own dumps have it (isSystemGoroutine in runtime/traceback.go).
  bool is_system(const GoG& g, const trace::Goroutine& record) const {
    if (g.start_pc == program_.functions.main || !record.entry) return false;
    return std::string_view(frames_.frame(*record.entry).function).starts_with("runtime.");
  }

  void add_wait(const Sample& sample, trace::Goroutine& record) {
    const auto found = waits_.find(sample.g.address);
    const PollWait* by_poller = found != waits_.end() ? &found->second : nullptr;
    const PollWait* by_stack = sample.on_stack ? &*sample.on_stack : nullptr;
    const PollWait* wait = by_poller != nullptr ? by_poller : by_stack;
    if (wait == nullptr) return;
    record.fd = wait->desc.fd;
    record.mode = wait->mode;
    if (wait->inode) registered_[sample.g.goid] = *wait->inode;
    record.fd_source = by_poller != nullptr ? trace::FdSource::kPoller : trace::FdSource::kStack;
    if (by_poller != nullptr && by_stack != nullptr) {
      const bool agree = by_poller->desc.address == by_stack->desc.address && by_poller->mode == by_stack->mode;
      if (agree) record.fd_source = trace::FdSource::kBoth;
      if (by_poller->desc.fd != by_stack->desc.fd) record.other_fd = by_stack->desc.fd;
    }
    // 2 says that it is about to wait, and less that what it waited for has come.
    record.becoming_ready = by_poller == nullptr && wait->desc.waiter(wait->mode) < 2;
    if (now_) record.deadline_in_ns = deadline_from_now(wait->desc.deadline(wait->mode), *now_);
  }

  static void add_thread(const ThreadState& thread, trace::Goroutine& record) {
    record.tid = thread.tid;
    if (!thread.call) return;
    const BlockingCall call = blocking_call(thread.call->number);
    record.syscall = call.name;
    if (call.fd == CallObject::kNone || thread.call->args[0] >= kMaxFd) return;
    record.fd = static_cast<int>(thread.call->args[0]);
    if (call.fd == CallObject::kReads) record.mode = trace::IoMode::kRead;
    if (call.fd == CallObject::kWrites) record.mode = trace::IoMode::kWrite;
  }

  Subject& subject_;
  const GoProgram& program_;
  std::optional<std::int64_t> now_;
  FrameTable frames_;
  trace::GoroutineSnapshot snapshot_;
  RunningPlaces running_;
  int epfd_ = -1;
  std::unordered_map<std::uint64_t, PollWait> waits_;            // by address of the g, as those below
  std::unordered_map<std::uint64_t, ThreadState> threads_;       // of those that run or are in a system call
  std::unordered_map<std::uint64_t, LabelSet> labels_;           // by address of the set
  std::unordered_map<std::uint64_t, std::uint64_t> registered_;  // inodes of the poller's list, by goid
};

class GoReader : public Reader {
 public:
  GoReader(Subject& subject, std::unique_ptr<GoProgram> program)
      : subject_(subject), program_(std::move(program)), sampler_(subject.memory(), *program_) {}

  Result<trace::GoroutineSnapshot> read(const ReadOptions& options) override {
    program_->pclntab.refill();
    const std::int64_t began = base::nanotime();
    if (options.endpoints) subject_.expect_describe();
    auto snapshot = Reading(subject_, *program_).take(sampler_, options);
    if (!snapshot) {
      if (snapshot.error().is(ErrorKind::kNotFound)) {
        return Error(ErrorKind::kNotFound, subject_.name() + " ended while it was read");
      }
      return std::move(snapshot).error().within(subject_.name());
    }
    snapshot->language = "go";
    snapshot->runtime_version = program_->version;
    snapshot->warnings.insert(snapshot->warnings.begin(), program_->warnings.begin(), program_->warnings.end());
    snapshot->taken_at_ns = began;
    snapshot->took_ns = base::nanotime() - began;
    return snapshot;
  }

 private:
  Subject& subject_;
  std::unique_ptr<GoProgram> program_;
  Sampler sampler_;
};

}  // namespace

Result<std::optional<std::string>> go_version(Subject& subject) {
  const auto file = subject.elf_files()->open_executable();
  if (!file) return std::optional<std::string>();
  if (auto version = go_version_of(*file)) return version;
  const Mapping* library = find_go_library(subject);
  if (library == nullptr) return std::optional<std::string>();
  const auto loaded = subject.elf_files()->open(*library);
  return loaded ? go_version_of(*loaded) : std::optional<std::string>();
}

Result<std::unique_ptr<Reader>> attach_go(Subject& subject) {
  auto program = open_program(subject);
  if (!program) return std::move(program).error();
  if (*program == nullptr) return std::unique_ptr<Reader>();
  return std::unique_ptr<Reader>(std::make_unique<GoReader>(subject, std::move(*program)));
}

}  // namespace netpoll::probes
