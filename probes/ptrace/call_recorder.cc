// Pairs entries with exits, and copies from the stopped thread's memory what belongs to them.
#include "probes/ptrace/call_recorder.h"

#include <netinet/in.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "probes/ptrace/arch.h"

namespace netpoll::probes {
namespace {

bool read_memory(pid_t tid, std::uint64_t address, void* to, std::size_t size) {
  iovec local = {to, size};
  iovec remote = {reinterpret_cast<void*>(address), size};
  return address != 0 && ::process_vm_readv(tid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

}  // namespace

CallRecorder::CallRecorder(const std::array<bool, kStreamCallCount>& calls, std::size_t bytes) : room_(bytes) {
  for (std::size_t row = 0; row < kStreamCallCount; ++row) {
    const auto nr = stream_call_number(row);
    if (calls.at(row) && nr && *nr < row_of_nr_.size()) row_of_nr_.at(*nr) = static_cast<std::uint8_t>(row + 1);
  }
}

bool CallRecorder::enter(const Tracee& tracee, long number, const CallArgs& args) {
  return open(tracee, number, args, 0);
}

bool CallRecorder::enter_before(const Tracee& tracee, long number, const CallArgs& args, std::int64_t now_ns) {
  return open(tracee, number, args, now_ns);
}

// before_ns: when it was found under way; 0: it begins.
bool CallRecorder::open(const Tracee& tracee, long number, const CallArgs& args, std::int64_t before_ns) {
  std::lock_guard lock(mutex_);
  const auto nr = static_cast<std::size_t>(number);
  if (nr >= row_of_nr_.size() || row_of_nr_.at(nr) == 0) return false;
  const auto row = static_cast<std::uint8_t>(row_of_nr_.at(nr) - 1);
  open_.insert_or_assign(
      tracee.tid,
      OpenCall{.tgid = tracee.tgid, .row = row, .args = args, .start_ns = before_ns, .before = before_ns != 0});
  return true;
}

void CallRecorder::enter_foreign(const Tracee& /*tracee*/) {
  std::lock_guard lock(mutex_);
  ++totals_.compat;
}

void CallRecorder::started(pid_t tid, std::int64_t now_ns) {
  std::lock_guard lock(mutex_);
  const auto open = open_.find(tid);
  if (open != open_.end() && open->second.start_ns == 0) open->second.start_ns = now_ns;
}

void CallRecorder::leave(const Tracee& tracee, std::int64_t result, std::int64_t now_ns) {
  std::lock_guard lock(mutex_);
  const auto open = open_.find(tracee.tid);
  if (open == open_.end()) return;
  const OpenCall call = open->second;
  open_.erase(open);
  netpoll_stream_event event = head_of(call.tgid, tracee.tid, NETPOLL_STREAM_CALL, now_ns);
  put_call(event, call);
  event.result = result;
  put_goroutine(event);
  const CallRole role = stream_calls().at(call.row).role;
  if (role == CallRole::kCtl) {
    netpoll_epoll_event given{};
    read_memory(tracee.tid, call.args[3], &given, sizeof(given));
    event.args[3] = given.events;
    event.args[4] = given.data;
  }
  std::array<netpoll_epoll_event, NETPOLL_STREAM_MANY> ready;
  const bool addressed = (role == CallRole::kAccept && result >= 0) || role == CallRole::kConnect;
  if (addressed) {
    sockaddr_in6 address{};  // the longest that is of interest
    if (read_memory(tracee.tid, call.args[1], &address, sizeof(address))) event.count = sizeof(address);
    return write(event, std::as_bytes(std::span(&address, event.count != 0 ? 1 : 0)));
  }
  if (role != CallRole::kWait || result <= 0) return write(event, {});
  // The record of the call, and as many as it takes.
  std::uint64_t from = call.args[1];
  auto left = static_cast<std::size_t>(result);
  for (int chunk = 0; chunk < NETPOLL_STREAM_CHUNKS && left > 0; ++chunk) {
    const std::size_t count = std::min(left, ready.size());
    const bool read = read_memory(tracee.tid, from, ready.data(), count * sizeof(ready[0]));
    event.kind = chunk == 0 ? NETPOLL_STREAM_CALL : NETPOLL_STREAM_MORE;
    event.count = static_cast<std::uint16_t>(read ? count : 0);
    event.skipped = static_cast<std::uint16_t>(read ? 0 : count);
    left -= count;
    from += count * sizeof(ready[0]);
    if (chunk == NETPOLL_STREAM_CHUNKS - 1) {
      event.skipped = static_cast<std::uint16_t>(std::min<std::size_t>(event.skipped + left, UINT16_MAX));
    }
    write(event, std::as_bytes(std::span(ready).first(event.count)));
  }
}

void CallRecorder::forget(pid_t tid, std::int64_t now_ns) {
  std::lock_guard lock(mutex_);
  const auto open = open_.find(tid);
  if (open == open_.end()) return;
  write(unfinished(tid, open->second, now_ns), {});
  open_.erase(open);
}

void CallRecorder::executed(const Tracee& tracee, std::int64_t now_ns) {
  std::lock_guard lock(mutex_);
  go_programs_.erase(tracee.tgid);
  write(head_of(tracee.tgid, tracee.tid, NETPOLL_STREAM_EXEC, now_ns), {});
}

void CallRecorder::forked(const Tracee& tracee, pid_t child, std::int64_t now_ns) {
  std::lock_guard lock(mutex_);
  netpoll_stream_event event = head_of(tracee.tgid, tracee.tid, NETPOLL_STREAM_FORK, now_ns);
  event.args[0] = static_cast<std::uint64_t>(child);
  write(event, {});
}

void CallRecorder::exited(const Tracee& last, std::int64_t now_ns) {
  std::lock_guard lock(mutex_);
  go_programs_.erase(last.tgid);
  write(head_of(last.tgid, last.tid, NETPOLL_STREAM_EXIT, now_ns), {});
}

void CallRecorder::set_go_program(pid_t pid, const CurrentG& current) {
  std::lock_guard lock(mutex_);
  go_programs_.insert_or_assign(pid, current);
}

void CallRecorder::take(const std::function<void(std::span<const std::byte>)>& take) {
  reading_.clear();
  {
    std::lock_guard lock(mutex_);
    reading_.swap(bytes_);
  }
  for (std::size_t at = 0; at < reading_.size();) {
    std::uint64_t size = 0;
    std::memcpy(&size, reading_.data() + at, sizeof(size));
    at += sizeof(size);
    take(std::span(reading_).subspan(at, size));
    at += size;
  }
}

void CallRecorder::show_open(std::int64_t now_ns, const std::function<void(const netpoll_stream_event&)>& show) const {
  std::lock_guard lock(mutex_);
  for (const auto& [tid, call] : open_) show(unfinished(tid, call, now_ns));
}

void CallRecorder::finish(std::int64_t now_ns) {
  std::lock_guard lock(mutex_);
  for (const auto& [tid, call] : open_) write(unfinished(tid, call, now_ns), {});
  open_.clear();
}

netpoll_stream_cpu CallRecorder::totals() const {
  std::lock_guard lock(mutex_);
  return totals_;
}

netpoll_stream_event CallRecorder::head_of(pid_t tgid, pid_t tid, netpoll_stream_kind kind, std::int64_t now_ns) const {
  netpoll_stream_event event{};
  event.time_ns = static_cast<std::uint64_t>(now_ns);
  event.dropped = static_cast<std::uint32_t>(totals_.dropped);
  event.cpu = NETPOLL_STREAM_NO_CPU;
  event.kind = static_cast<std::uint8_t>(kind);
  event.tgid = static_cast<std::uint32_t>(tgid);
  event.tid = static_cast<std::uint32_t>(tid);
  return event;
}

void CallRecorder::put_call(netpoll_stream_event& event, const OpenCall& call) const {
  event.row = call.row;
  event.start_ns = static_cast<std::uint64_t>(call.start_ns);
  event.before = call.before ? 1 : 0;
  std::copy_n(call.args.begin(), NETPOLL_STREAM_ARGS, std::begin(event.args));
}

// As fill_goroutine() of syscall_stream.bpf.c.
void CallRecorder::put_goroutine(netpoll_stream_event& event) const {
  const auto program = go_programs_.find(static_cast<pid_t>(event.tgid));
  if (program == go_programs_.end()) return;
  const auto tid = static_cast<pid_t>(event.tid);
  const CurrentG& current = program->second;
  std::uint64_t g = 0, sp = 0;
  std::array<std::uint64_t, 2> stack{};
  const auto registers = go_registers(tid);
  if (!registers) return;
  if (registers->g) {
    g = *registers->g;
  } else if (!read_memory(tid, registers->tls + static_cast<std::uint64_t>(std::int64_t{current.tls_offset}), &g,
                          sizeof(g))) {
    return;
  }
  sp = registers->sp;
  if (!read_memory(tid, g, stack.data(), sizeof(stack)) || sp < stack[0] || sp > stack[1]) return;
  std::uint64_t word = 0;
  if (read_memory(tid, g + current.goid_offset, &word, sizeof(word))) event.goid = word;
  if (current.labels_offset == 0) return;
  if (read_memory(tid, g + current.labels_offset, &word, sizeof(word))) event.labels = word;
}

void CallRecorder::write(const netpoll_stream_event& event, std::span<const std::byte> behind) {
  const std::uint64_t size = sizeof(event) + behind.size();
  if (bytes_.size() + sizeof(size) + size > room_) {
    ++totals_.dropped;
    return;
  }
  const auto put = [this](std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  };
  put(std::as_bytes(std::span(&size, 1)));
  put(std::as_bytes(std::span(&event, 1)));
  put(behind);
  ++totals_.written;
}

netpoll_stream_event CallRecorder::unfinished(pid_t tid, const OpenCall& call, std::int64_t now_ns) const {
  netpoll_stream_event event = head_of(call.tgid, tid, NETPOLL_STREAM_UNFINISHED, now_ns);
  put_call(event, call);
  return event;
}

}  // namespace netpoll::probes
