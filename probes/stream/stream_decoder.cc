// Sorts, decodes and annotates events.
#include "probes/stream/stream_decoder.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "probes/process/descriptors/sockets.h"
#include "probes/stream/calls.h"
#include "probes/stream/vocabulary.h"

namespace netpoll::probes {
namespace {

static_assert(sizeof(netpoll_epoll_event) == sizeof(epoll_event));

// The reported events behind a record, or its address.
const std::byte* behind(const netpoll_stream_event& event) {
  return reinterpret_cast<const std::byte*>(&event) + sizeof(event);
}

// The address of an Internet socket; empty for another family.
std::string address_behind(const netpoll_stream_event& event) {
  sockaddr_in6 v6{};
  static_assert(sizeof(v6) == 28);
  if (event.count < sizeof(v6)) return {};
  std::memcpy(&v6, behind(event), sizeof(v6));
  if (v6.sin6_family == AF_INET6) return address_text(AF_INET6, &v6.sin6_addr, ntohs(v6.sin6_port));
  if (v6.sin6_family != AF_INET) return {};
  sockaddr_in v4{};
  std::memcpy(&v4, behind(event), sizeof(v4));
  return address_text(AF_INET, &v4.sin_addr, ntohs(v4.sin_port));
}

}  // namespace

StreamDecoder::StreamDecoder(std::unique_ptr<GoroutineNames> goroutines, std::int64_t clock_offset_ns)
    : goroutines_(std::move(goroutines)), clock_offset_ns_(clock_offset_ns) {}

void StreamDecoder::add_target(std::uint32_t tgid, pid_t pid, bool load) {
  pids_[tgid] = pid;
  if (!load) return;
  endpoints_.load(pid);
  interests_.load(pid);
}

// Of those that nobody named the kernel's number is taken.
pid_t StreamDecoder::pid_of(std::uint32_t tgid) {
  const auto [at, fresh] = pids_.try_emplace(tgid, static_cast<pid_t>(tgid));
  if (fresh && expect_strangers_) {
    const pid_t pid = at->second;
    endpoints_.load(pid);
    interests_.load(pid);
    new_programs_.push_back({tgid, pid});
  }
  return at->second;
}

void StreamDecoder::take(std::span<const std::byte> bytes) {
  netpoll_stream_event event;
  if (bytes.size() < sizeof(event)) return;
  std::memcpy(&event, bytes.data(), sizeof(event));
  const std::size_t follows = event.kind == NETPOLL_STREAM_CALL || event.kind == NETPOLL_STREAM_MORE
                                  ? std::size_t{event.count} * sizeof(netpoll_epoll_event)
                                  : 0;
  const bool address = event.count == sizeof(sockaddr_in6) && bytes.size() >= sizeof(event) + sizeof(sockaddr_in6);
  const std::size_t size = std::min(bytes.size(), sizeof(event) + (address ? sizeof(sockaddr_in6) : follows));
  taken_.push_back({event.time_ns, bytes_.size()});
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  bytes_.resize((bytes_.size() + 7) & ~std::size_t{7});
}

const netpoll_stream_event& StreamDecoder::event_at(const Taken& taken) const {
  return *reinterpret_cast<const netpoll_stream_event*>(bytes_.data() + taken.at);
}

void StreamDecoder::give(std::uint64_t until_ns, trace::Sink& sink) {
  const auto earlier = [](const Taken& a, const Taken& b) { return a.time_ns < b.time_ns; };
  if (!std::is_sorted(taken_.begin(), taken_.end(), earlier)) std::stable_sort(taken_.begin(), taken_.end(), earlier);
  const auto end =
      std::partition_point(taken_.begin(), taken_.end(), [&](const Taken& t) { return t.time_ns <= until_ns; });
  endpoints_.look_up();
  for (auto at = taken_.begin(); at != end; ++at) {
    const netpoll_stream_event& event = event_at(*at);
    note_losses(event, sink);
    if (event.kind == NETPOLL_STREAM_MORE) continue;  // taken with its call
    trace::Record record;
    decode(event, record);
    if (event.kind == NETPOLL_STREAM_CALL && event.count == NETPOLL_STREAM_MANY) {
      // Written in one go, with the time of the first; others of that very moment may lie between.
      for (auto more = at + 1; more != end && more->time_ns == at->time_ns; ++more) {
        const netpoll_stream_event& rest = event_at(*more);
        if (rest.kind == NETPOLL_STREAM_MORE && rest.tid == event.tid) add_ready(rest, record);
      }
    }
    stories_.annotate(record);
    join(event, record);
    follow(event, record);
    ++events_;
    sink.event(record);
  }
  if (end == taken_.end()) {
    taken_.clear();
    bytes_.clear();
    return;
  }
  if (end == taken_.begin()) return;
  // What is kept back moves to the front.
  std::vector<std::byte> bytes;
  std::vector<Taken> taken(end, taken_.end());
  for (Taken& t : taken) {
    const netpoll_stream_event& event = event_at(t);
    const std::size_t size =
        std::min(bytes_.size() - t.at,
                 sizeof(event) + std::max<std::size_t>(std::size_t{event.count} * sizeof(netpoll_epoll_event),
                                                       sizeof(sockaddr_in6)));
    const std::size_t to = bytes.size();
    bytes.insert(bytes.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(t.at),
                 bytes_.begin() + static_cast<std::ptrdiff_t>(t.at + size));
    bytes.resize((bytes.size() + 7) & ~std::size_t{7});
    t.at = to;
  }
  bytes_ = std::move(bytes);
  taken_ = std::move(taken);
}

// With what is known of its descriptor and its goroutine.
void StreamDecoder::join(const netpoll_stream_event& event, trace::Record& record) {
  record.endpoint = endpoints_.find(record.pid, record.fd);
  if (record.goid != 0 && event.labels != 0 && goroutines_) {
    record.labels = goroutines_->labels(record.pid, event.labels);
  }
}

void StreamDecoder::show(const netpoll_stream_event& event, trace::Sink& sink) {
  trace::Record record;
  decode(event, record);
  join(event, record);
  sink.event(record);
}

void StreamDecoder::lose(std::uint16_t cpu, std::uint64_t count, std::uint64_t time_ns, trace::Sink& sink) {
  lost_[cpu] += count;
  stories_.lost();
  // What a number stands for may have changed unseen.
  endpoints_.forget_all();
  sink.lost({.time_ns = time_ns + static_cast<std::uint64_t>(clock_offset_ns_),
             .count = count,
             .cpu = cpu != NETPOLL_STREAM_NO_CPU ? cpu : -1,
             .where = cpu != NETPOLL_STREAM_NO_CPU ? "kernel" : "tracer"});
}

void StreamDecoder::note_losses(const netpoll_stream_event& event, trace::Sink& sink) {
  std::uint32_t& seen = dropped_[event.cpu];
  // Sorting may have put an older count behind a newer one.
  const auto more = static_cast<std::int32_t>(event.dropped - seen);
  if (more <= 0) return;
  seen = event.dropped;
  lose(event.cpu, static_cast<std::uint64_t>(more), event.time_ns, sink);
}

void StreamDecoder::finish(std::span<const netpoll_stream_cpu> cpus, std::uint64_t now_ns, trace::Sink& sink) {
  for (std::size_t cpu = 0; cpu < cpus.size(); ++cpu)
    lose_rest(static_cast<std::uint16_t>(cpu), cpus[cpu], now_ns, sink);
}

void StreamDecoder::finish(const netpoll_stream_cpu& all, std::uint64_t now_ns, trace::Sink& sink) {
  lose_rest(NETPOLL_STREAM_NO_CPU, all, now_ns, sink);
}

void StreamDecoder::lose_rest(std::uint16_t cpu, const netpoll_stream_cpu& state, std::uint64_t now_ns,
                              trace::Sink& sink) {
  const std::uint64_t all = state.dropped + state.compat;
  const auto known = lost_.find(cpu);
  const std::uint64_t seen = known != lost_.end() ? known->second : 0;
  if (all > seen) lose(cpu, all - seen, now_ns, sink);
}

void StreamDecoder::decode(const netpoll_stream_event& event, trace::Record& record) {
  record.time_ns = event.time_ns + static_cast<std::uint64_t>(clock_offset_ns_);
  record.cpu = event.cpu != NETPOLL_STREAM_NO_CPU ? event.cpu : 0;
  record.pid = pid_of(event.tgid);
  record.tid = static_cast<pid_t>(event.tid);
  record.goid = event.goid;
  switch (event.kind) {
    case NETPOLL_STREAM_USDT: {
      std::array<std::int64_t, NETPOLL_STREAM_ARGS> args{};
      std::memcpy(args.data(), event.args, sizeof(event.args));
      if (!fill_tracepoint(record, event.row, args)) record.name = "unknown";
      return;
    }
    case NETPOLL_STREAM_EXEC:
    case NETPOLL_STREAM_FORK:
    case NETPOLL_STREAM_EXIT:
      follow_process(event, record);
      return;
    case NETPOLL_STREAM_URING:
    case NETPOLL_STREAM_URING_OPEN:
      fill_uring(record, event.row, event.args[NETPOLL_URING_USER_DATA], static_cast<int>(event.args[NETPOLL_URING_FD]),
                 event.args[NETPOLL_URING_FIXED] != 0, static_cast<std::uint32_t>(event.args[NETPOLL_URING_FLAGS]));
      if (event.start_ns != 0 && event.time_ns >= event.start_ns) record.duration_ns = event.time_ns - event.start_ns;
      record.unfinished = event.kind == NETPOLL_STREAM_URING_OPEN;
      if (!record.unfinished) record.result = event.result;
      return;
    default:
      break;
  }
  record.kind = trace::RecordKind::kCall;
  record.row = std::min<std::uint16_t>(event.row, kStreamCallCount - 1);
  const CallInfo& info = stream_calls().at(record.row);
  record.name = info.name;
  if (event.start_ns != 0 && event.time_ns >= event.start_ns) {
    (event.before != 0 ? record.before_ns : record.duration_ns) = event.time_ns - event.start_ns;
  }
  record.unfinished = event.kind == NETPOLL_STREAM_UNFINISHED;
  if (!record.unfinished) record.result = event.result;
  for (std::size_t i = 0; i < info.argc; ++i) {
    const CallArg& arg = info.args.at(i);
    const std::uint64_t word = event.args[arg.index];
    // Descriptors, sizes of lists and the like are ints; whole words are sizes in bytes and addresses.
    const bool whole = arg.form == trace::ArgForm::kHex || (info.size_arg == arg.index);
    record.add(arg.name, arg.form, whole ? static_cast<std::int64_t>(word) : static_cast<std::int32_t>(word));
    const bool has_event = info.role == CallRole::kCtl && !record.unfinished;
    if (has_event && arg.form == trace::ArgForm::kFd && event.args[1] != EPOLL_CTL_DEL) {
      record.add("events", trace::ArgForm::kPollEvents, static_cast<std::int64_t>(event.args[3]));
    }
  }
  if (info.fd_arg >= 0) record.fd = static_cast<int>(event.args[info.fd_arg]);
  if (info.role == CallRole::kWait) add_ready(event, record);
}

void StreamDecoder::add_ready(const netpoll_stream_event& event, trace::Record& record) {
  record.ready_omitted += event.skipped;
  const int epfd = static_cast<int>(event.args[0]);
  for (std::size_t i = 0; i < event.count; ++i) {
    netpoll_epoll_event ready;
    std::memcpy(&ready, behind(event) + i * sizeof(ready), sizeof(ready));
    const std::uint64_t data = ready.data;
    record.ready.push_back({.fd = interests_.find(record.pid, epfd, data), .events = ready.events, .data = data});
  }
}

// What an operation of io_uring changes about descriptors.
void StreamDecoder::follow_uring(const trace::Record& record) {
  if (!record.result || *record.result < 0) return;
  const std::string_view name = record.name;
  if (name == "uring_accept" || name == "uring_socket" || name == "uring_openat" || name == "uring_openat2") {
    endpoints_.forget(record.pid, static_cast<int>(*record.result));
  } else if (name == "uring_connect") {
    endpoints_.forget(record.pid, record.fd);
  } else if (name == "uring_close") {
    endpoints_.forget_process(record.pid);  // which one is not told
  }
}

// What a call changes about descriptors.
void StreamDecoder::follow(const netpoll_stream_event& event, const trace::Record& record) {
  if (record.kind == trace::RecordKind::kUring) return follow_uring(record);
  if (record.kind != trace::RecordKind::kCall || record.unfinished) return;
  const CallInfo& info = stream_calls().at(record.row);
  const auto becomes_new = [&](int fd) {
    endpoints_.forget(record.pid, fd);
    interests_.closed(record.pid, fd);
  };
  switch (info.role) {
    case CallRole::kCtl:
      if (event.result == 0) {
        interests_.ctl(record.pid, static_cast<int>(event.args[0]), static_cast<int>(event.args[1]), record.fd,
                       event.args[4]);
      }
      return;
    case CallRole::kAccept:
      if (event.result < 0) return;
      becomes_new(static_cast<int>(event.result));
      if (const std::string peer = address_behind(event); !peer.empty()) {
        endpoints_.set(record.pid, static_cast<int>(event.result), {.kind = "tcp", .local = {}, .peer = peer});
      }
      return;
    case CallRole::kConnect: {
      endpoints_.forget(record.pid, record.fd);
      if (const std::string peer = address_behind(event); !peer.empty()) {
        endpoints_.set(record.pid, record.fd, {.kind = "socket", .local = {}, .peer = peer});
      }
      return;
    }
    case CallRole::kClose:
      // The number is free even where close(2) fails, but for EBADF.
      becomes_new(record.fd);
      return;
    case CallRole::kReplace:
      if (event.result >= 0) becomes_new(static_cast<int>(event.result));
      return;
    case CallRole::kCloseRange:
      endpoints_.forget_process(record.pid);
      return;
    case CallRole::kWait:
    case CallRole::kRead:
    case CallRole::kWrite:
    case CallRole::kOther:
      return;
  }
}

void StreamDecoder::follow_process(const netpoll_stream_event& event, trace::Record& record) {
  record.kind = trace::RecordKind::kProcess;
  if (event.kind == NETPOLL_STREAM_FORK) {
    record.name = "fork";
    const auto child = static_cast<std::uint32_t>(event.args[0]);
    const pid_t pid = pids_.try_emplace(child, static_cast<pid_t>(child)).first->second;
    record.add("child", trace::ArgForm::kNumber, pid);
    interests_.forked(record.pid, pid);
    return;
  }
  record.name = event.kind == NETPOLL_STREAM_EXEC ? "exec" : "exit";
  endpoints_.forget_process(record.pid);
  interests_.forget_process(record.pid);
  if (goroutines_) goroutines_->forget(record.pid);
  if (event.kind == NETPOLL_STREAM_EXEC) {
    new_programs_.push_back({event.tgid, record.pid});
  } else {
    pids_.erase(event.tgid);
  }
}

}  // namespace netpoll::probes
