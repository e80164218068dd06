// Reads goroutines with the reader of their runtime, threads by /proc/PID/task/TID/syscall.
#include "probes/goroutines/waits.h"

#include <algorithm>

#include "probes/goroutines/reader.h"
#include "probes/process/blocking_calls.h"
#include "probes/process/descriptors/descriptors.h"
#include "probes/process/proc_status.h"
#include "probes/process/subject.h"

namespace netpoll::probes {
namespace {

using trace::Frame;
using trace::Goroutine;
using trace::GoroutineSnapshot;
using trace::IoMode;

const Frame* frame_of(const GoroutineSnapshot& snapshot, const std::optional<std::uint32_t>& index) {
  return index && *index < snapshot.frames.size() ? &snapshot.frames[*index] : nullptr;
}

// Go 1.18 to 1.27, net/http/server.go.
bool only_watches(const GoroutineSnapshot& snapshot, const Goroutine& g) {
  return std::any_of(g.stack.begin(), g.stack.end(), [&](std::uint32_t index) {
    const Frame* frame = frame_of(snapshot, index);
    return frame != nullptr && frame->function == "net/http.(*connReader).backgroundRead";
  });
}

void add_goroutines(const GoroutineSnapshot& snapshot, ProcessWaits& process) {
  for (const Goroutine& g : snapshot.goroutines) {
    if (!g.fd || g.becoming_ready) continue;
    const Frame* entry = frame_of(snapshot, g.entry);
    DescriptorWait wait;
    wait.waiter = {.goid = g.goid,
                   .tid = std::nullopt,
                   .state = g.wait_reason.empty() ? g.status : g.wait_reason,
                   .mode = g.mode,
                   .wait_ns = g.wait_ns ? g.wait_ns : g.wait_at_least_ns,
                   .function = entry == nullptr ? "" : entry->function};
    wait.fd = *g.fd;
    wait.kind = g.kind;
    wait.local = g.local;
    wait.peer = g.peer;
    wait.peer_processes = g.peer_processes;
    wait.watches = only_watches(snapshot, g);
    process.waits.push_back(std::move(wait));
  }
}

void add_threads(Subject& subject, ProcessWaits& process) {
  std::vector<int> numbers;
  for (const pid_t tid : thread_ids(process.pid)) {
    const auto call = subject.thread_call(tid);
    if (!call) continue;
    const BlockingCall what = blocking_call(call->number);
    if (what.fd != CallObject::kReads && what.fd != CallObject::kWrites) continue;
    DescriptorWait wait;
    wait.waiter = {.goid = std::nullopt,
                   .tid = tid,
                   .state = what.name,
                   .mode = what.fd == CallObject::kReads ? IoMode::kRead : IoMode::kWrite,
                   .wait_ns = std::nullopt,
                   .function = {}};
    wait.fd = static_cast<int>(call->args[0]);
    numbers.push_back(wait.fd);
    process.waits.push_back(std::move(wait));
  }
  if (numbers.empty()) return;
  const Descriptors descriptors = subject.describe(numbers, Ends::kBoth);
  for (DescriptorWait& wait : process.waits) {
    const auto found = descriptors.find(wait.fd);
    if (found == descriptors.end()) continue;
    wait.kind = found->second.kind;
    wait.local = found->second.local;
    wait.peer = found->second.peer;
    wait.peer_processes = found->second.peer_processes;
  }
}

}  // namespace

Result<ProcessWaits> read_waits(pid_t pid) {
  ProcessWaits process;
  process.pid = pid;
  process.comm = comm_of(pid);
  auto subject = make_live_subject(pid);
  if (!subject) return std::move(subject).error();
  auto reader = attach_reader(**subject);
  if (!reader && !reader.error().is(ErrorKind::kNotSupported)) return std::move(reader).error();
  if (reader) {
    const auto snapshot = (*reader)->read({});
    if (!snapshot) return snapshot.error();
    process.runtime = snapshot->language;
    process.runtime_version = snapshot->runtime_version;
    add_goroutines(*snapshot, process);
  } else {
    add_threads(**subject, process);
  }
  std::stable_sort(process.waits.begin(), process.waits.end(),
                   [](const DescriptorWait& a, const DescriptorWait& b) { return a.fd < b.fd; });
  return process;
}

}  // namespace netpoll::probes
