// Follows descriptors and goroutines through their states.
#include "probes/stream/stories.h"

#include <sys/epoll.h>

#include <cerrno>
#include <string_view>

#include "netpoll/trace/event.h"
#include "probes/stream/calls.h"

namespace netpoll::probes {
namespace {

constexpr std::uint32_t kReadable = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr std::uint32_t kWritable = EPOLLOUT | EPOLLHUP | EPOLLERR;

std::int64_t arg_of(const trace::Record& record, std::string_view name, std::int64_t otherwise) {
  for (std::size_t i = 0; i < record.argc; ++i) {
    if (record.args.at(i).name == name) return record.args.at(i).value;
  }
  return otherwise;
}

}  // namespace

void Stories::annotate(trace::Record& record) {
  switch (record.kind) {
    case trace::RecordKind::kProcess:
      if (record.name == "exit" || record.name == "exec") processes_.erase(record.pid);
      return;
    case trace::RecordKind::kTracepoint:
      annotate_tracepoint(processes_[record.pid], record);
      return;
    case trace::RecordKind::kUring:
      return;
    case trace::RecordKind::kCall:
      if (!record.unfinished) annotate_call(processes_[record.pid], record);
      return;
  }
}

void Stories::lost() {
  for (auto& [pid, process] : processes_) {
    process.descriptors.clear();
    process.goroutines.clear();
    process.running.clear();
  }
}

void Stories::run(Direction& direction, trace::Record& record, std::uint64_t start_ns) {
  if (direction.ready_ns == 0) return;
  record.step = trace::Step::kRun;
  if (direction.since_ns != 0 && direction.ready_ns >= direction.since_ns) {
    record.network_wait_ns = direction.ready_ns - direction.since_ns;
  }
  // A thread may be in the call before another thread's poller returns.
  record.cpu_wait_ns = start_ns > direction.ready_ns ? start_ns - direction.ready_ns : 0;
  direction = {};
}

void Stories::annotate_call(Process& process, trace::Record& record) {
  if (process.tells_itself) {
    if (const auto running = process.running.find(record.tid); running != process.running.end()) {
      record.goid = running->second;
    }
  }
  const CallInfo& info = stream_calls().at(record.row);
  const std::int64_t result = record.result.value_or(-1);
  const std::uint64_t start_ns = record.time_ns - record.least_ns().value_or(0);
  const bool tell = !process.tells_itself;
  switch (info.role) {
    case CallRole::kWait:
      if (!tell || record.ready.empty()) return;
      record.step = trace::Step::kReady;
      for (const trace::ReadyEntry& entry : record.ready) {
        if (entry.fd < 0) continue;
        Descriptor& descriptor = process.descriptors[entry.fd];
        if ((entry.events & kReadable) != 0 && descriptor.read.ready_ns == 0) descriptor.read.ready_ns = record.time_ns;
        // Room to write is reported with everything else; it is news for those only who found none.
        const bool wanted = descriptor.write.since_ns != 0 && descriptor.write.ready_ns == 0;
        if ((entry.events & kWritable) == 0 || !wanted) continue;
        // A connection that stands is asked for its error, which is not in the stream, and then used at leisure.
        if (descriptor.write.wants == Wants::kConnection) {
          descriptor.write = {};
        } else {
          descriptor.write.ready_ns = record.time_ns;
        }
      }
      return;
    case CallRole::kCtl: {
      if (result != 0) return;
      const std::int64_t op = arg_of(record, "op", 0);
      if (op == EPOLL_CTL_DEL) {
        process.descriptors[record.fd] = {};
        return;
      }
      if (op != EPOLL_CTL_ADD || !tell) return;
      record.step = trace::Step::kRegister;
      Descriptor& descriptor = process.descriptors[record.fd];
      if (descriptor.read.since_ns == 0) descriptor.read.since_ns = record.time_ns;
      return;
    }
    case CallRole::kRead:
    case CallRole::kAccept: {
      if (!tell) return;
      Direction& read = process.descriptors[record.fd].read;
      run(read, record, start_ns);
      if (result == -EAGAIN && record.step == trace::Step::kNone) record.step = trace::Step::kPark;
      read = {.since_ns = record.time_ns, .ready_ns = 0, .wants = Wants::kEvent};
      if (info.role == CallRole::kAccept && result >= 0) {
        process.descriptors[static_cast<int>(result)] = {.read = {.since_ns = record.time_ns}, .write = {}};
      }
      return;
    }
    case CallRole::kWrite:
    case CallRole::kConnect: {
      if (!tell) return;
      Direction& write = process.descriptors[record.fd].write;
      run(write, record, start_ns);
      const bool blocked = result == -EAGAIN || result == -EINPROGRESS;
      if (blocked && record.step == trace::Step::kNone) record.step = trace::Step::kPark;
      const std::int64_t asked = arg_of(record, "count", -1);
      const bool waits = blocked || (result >= 0 && asked > result);
      write = {.since_ns = waits ? record.time_ns : 0,
               .ready_ns = 0,
               .wants = info.role == CallRole::kConnect ? Wants::kConnection : Wants::kEvent};
      return;
    }
    case CallRole::kClose:
      if (result == 0 && process.descriptors.erase(record.fd) != 0 && tell) record.step = trace::Step::kClose;
      return;
    case CallRole::kReplace:
      if (result >= 0) process.descriptors.erase(static_cast<int>(result));
      return;
    case CallRole::kCloseRange:
      process.descriptors.clear();
      return;
    case CallRole::kOther:
      return;
  }
}

void Stories::annotate_tracepoint(Process& process, trace::Record& record) {
  process.tells_itself = true;
  const auto goid = static_cast<std::uint64_t>(arg_of(record, "goid", 0));
  record.fd = static_cast<int>(arg_of(record, "fd", -1));
  const auto current = process.running.find(record.tid);
  record.goid = goid != 0 ? goid : current != process.running.end() ? current->second : 0;
  switch (static_cast<trace::Tp>(record.row)) {
    case trace::Tp::fd_register:
      record.step = trace::Step::kRegister;
      return;
    case trace::Tp::fd_close:
      record.step = trace::Step::kClose;
      return;
    case trace::Tp::park:
      record.step = trace::Step::kPark;
      process.goroutines[goid] = {.fd = record.fd, .since_ns = record.time_ns};
      process.running.erase(record.tid);
      return;
    case trace::Tp::ready: {
      record.step = trace::Step::kReady;
      Goroutine& g = process.goroutines[goid];
      g.ready_ns = record.time_ns;
      g.waited_for_network = g.fd >= 0 && g.since_ns != 0;
      if (!g.waited_for_network) return;
      g.network_ns = record.time_ns - g.since_ns;
      record.network_wait_ns = g.network_ns;
      return;
    }
    case trace::Tp::run: {
      process.running[record.tid] = goid;
      const auto found = process.goroutines.find(goid);
      if (found == process.goroutines.end() || found->second.ready_ns == 0) return;
      const Goroutine& g = found->second;
      record.step = trace::Step::kRun;
      record.fd = g.fd;
      record.cpu_wait_ns = record.time_ns - g.ready_ns;
      if (g.waited_for_network) record.network_wait_ns = g.network_ns;
      process.goroutines.erase(found);
      return;
    }
    case trace::Tp::go_exit:
      process.goroutines.erase(goid);
      process.running.erase(record.tid);
      return;
    default:
      return;
  }
}

}  // namespace netpoll::probes
