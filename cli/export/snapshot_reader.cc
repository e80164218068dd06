// The inverse of goroutine_json() (exporters/goroutines/document.cc).
#include "cli/export/snapshot_reader.h"

#include <cstdio>
#include <ctime>
#include <map>
#include <tuple>
#include <utility>

#include "exporters/events/words.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using trace::Frame;
using trace::Goroutine;

const Json* member(const Json& json, const char* name) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(name);
  return found != json.end() && !found->is_null() ? &*found : nullptr;
}

std::string text_of(const Json& json, const char* name) {
  const Json* value = member(json, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

bool flag_of(const Json& json, const char* name, bool otherwise) {
  const Json* value = member(json, name);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : otherwise;
}

template <typename T>
std::optional<T> number_of(const Json& json, const char* name) {
  const Json* value = member(json, name);
  if (value == nullptr || !value->is_number_integer()) return std::nullopt;
  return value->get<T>();
}

std::optional<trace::IoMode> mode_of(const Json& json) {
  const std::string mode = text_of(json, "mode");
  if (mode.empty()) return std::nullopt;
  return mode == "write" ? trace::IoMode::kWrite : trace::IoMode::kRead;
}

trace::FdSource fd_source_of(const std::string& name) {
  if (name == "poller") return trace::FdSource::kPoller;
  if (name == "stack") return trace::FdSource::kStack;
  return name == "both" ? trace::FdSource::kBoth : trace::FdSource::kNone;
}

std::chrono::system_clock::time_point time_of(const std::string& rfc3339) {
  std::tm utc{};
  int milliseconds = 0;
  if (std::sscanf(rfc3339.c_str(), "%d-%d-%dT%d:%d:%d.%3d", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour,
                  &utc.tm_min, &utc.tm_sec, &milliseconds) < 6) {
    return {};
  }
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  return std::chrono::system_clock::from_time_t(::timegm(&utc)) + std::chrono::milliseconds(milliseconds);
}

class Reader {
 public:
  explicit Reader(trace::GoroutineSnapshot& snapshot) : snapshot_(snapshot) {}

  Goroutine goroutine(const Json& json) {
    Goroutine g;
    g.goid = number_of<std::uint64_t>(json, "goid").value_or(0);
    g.parent_goid = number_of<std::uint64_t>(json, "parent_goid");
    g.runtime = number_of<std::size_t>(json, "runtime").value_or(0);
    g.status = text_of(json, "status");
    g.wait_reason = text_of(json, "wait_reason");
    g.io_wait = g.wait_reason == "IO wait";
    g.wait_ns = number_of<std::int64_t>(json, "wait_ns");
    g.wait_at_least_ns = number_of<std::int64_t>(json, "wait_at_least_ns");
    g.system = flag_of(json, "system", false);
    g.locked_to_thread = flag_of(json, "locked_to_thread", false);
    g.stable = flag_of(json, "stable", true);
    if (const Json* labels = member(json, "labels"); labels != nullptr && labels->is_object()) {
      for (const auto& [key, value] : labels->items()) {
        if (value.is_string()) g.labels.emplace_back(key, value.get<std::string>());
      }
    }
    g.fd = number_of<int>(json, "fd");
    g.mode = mode_of(json);
    g.fd_source = fd_source_of(text_of(json, "fd_source"));
    g.other_fd = number_of<int>(json, "other_fd");
    g.fd_state = text_of(json, "fd_state");
    g.becoming_ready = flag_of(json, "becoming_ready", false);
    g.foreign_change = flag_of(json, "foreign_change", false);
    g.deadline_in_ns = number_of<std::int64_t>(json, "deadline_in_ns");
    g.kind = text_of(json, "kind");
    g.local = text_of(json, "local");
    g.peer = text_of(json, "peer");
    g.tcp_state = text_of(json, "tcp_state");
    g.recv_queue_bytes = number_of<std::uint64_t>(json, "recv_queue_bytes");
    g.send_queue_bytes = number_of<std::uint64_t>(json, "send_queue_bytes");
    g.socket_idle_ns = number_of<std::int64_t>(json, "socket_idle_ns");
    g.peer_processes = peers(json);
    if (const Json* remarks = member(json, "remarks"); remarks != nullptr && remarks->is_array()) {
      for (const Json& remark : *remarks) {
        if (remark.is_string()) g.remarks.push_back(remark.get<std::string>());
      }
    }
    g.syscall = text_of(json, "syscall");
    g.tid = number_of<pid_t>(json, "tid");
    if (const Json* stack = member(json, "stack"); stack != nullptr && stack->is_array()) {
      for (const Json& frame : *stack) g.stack.push_back(frame_index(frame_of(frame)));
    }
    g.stack_ends_early = text_of(json, "stack_ends_early");
    if (const std::string entry = text_of(json, "function"); !entry.empty()) g.entry = frame_index(named(entry));
    if (const std::string creator = text_of(json, "created_by"); !creator.empty()) {
      Frame frame = named(creator);
      frame.file = text_of(json, "created_by_file");
      frame.line = number_of<int>(json, "created_by_line").value_or(0);
      g.created_by = frame_index(std::move(frame));
    }
    return g;
  }

 private:
  static std::vector<trace::PeerProcess> peers(const Json& json) {
    std::vector<trace::PeerProcess> peers;
    const Json* list = member(json, "peer_processes");
    if (list == nullptr || !list->is_array()) return peers;
    for (const Json& peer : *list) {
      trace::PeerProcess process;
      process.pid = number_of<pid_t>(peer, "pid").value_or(-1);
      process.comm = text_of(peer, "comm");
      process.fd = number_of<int>(peer, "fd").value_or(-1);
      if (const Json* waiters = member(peer, "waiters"); waiters != nullptr && waiters->is_array()) {
        process.waiters.emplace();
        for (const Json& waiter : *waiters) {
          process.waiters->push_back({.goid = number_of<std::uint64_t>(waiter, "goid"),
                                      .tid = number_of<pid_t>(waiter, "tid"),
                                      .state = text_of(waiter, "state"),
                                      .mode = mode_of(waiter),
                                      .wait_ns = number_of<std::int64_t>(waiter, "wait_ns"),
                                      .function = text_of(waiter, "function")});
        }
      }
      peers.push_back(std::move(process));
    }
    return peers;
  }

  // A function without a name is its address.
  static Frame named(const std::string& function) {
    Frame frame;
    if (function.starts_with("0x")) {
      frame.pc = exporters::number_of(function);
    } else {
      frame.function = function;
    }
    return frame;
  }

  static Frame frame_of(const Json& json) {
    Frame frame = named(text_of(json, "function"));
    frame.file = text_of(json, "file");
    frame.line = number_of<int>(json, "line").value_or(0);
    frame.pc = exporters::number_of(text_of(json, "pc"));
    frame.inlined = flag_of(json, "inlined", false);
    frame.hidden = flag_of(json, "hidden", false);
    return frame;
  }

  std::uint32_t frame_index(Frame frame) {
    const auto [at, is_new] =
        known_.try_emplace(std::tuple(frame.function, frame.file, frame.line, frame.pc, frame.inlined, frame.hidden),
                           static_cast<std::uint32_t>(snapshot_.frames.size()));
    if (is_new) snapshot_.frames.push_back(std::move(frame));
    return at->second;
  }

  trace::GoroutineSnapshot& snapshot_;
  std::map<std::tuple<std::string, std::string, int, std::uint64_t, bool, bool>, std::uint32_t> known_;
};

}  // namespace

exporters::SnapshotDocument snapshot_from_json(const Json& document) {
  exporters::SnapshotDocument result;
  result.head = document;
  result.head.erase("goroutines");
  result.taken_at = time_of(text_of(document, "started_at"));
  trace::GoroutineSnapshot& snapshot = result.snapshot;
  if (const Json* target = member(document, "target")) {
    snapshot.language = text_of(*target, "kind");
    snapshot.runtime_version = text_of(*target, "runtime_version");
  }
  snapshot.took_ns = number_of<std::int64_t>(document, "took_ns").value_or(0);
  snapshot.paused_ns = number_of<std::int64_t>(document, "paused_ns").value_or(0);
  snapshot.inconsistent = number_of<std::uint64_t>(document, "inconsistent").value_or(0);
  snapshot.retries = number_of<std::uint64_t>(document, "retries").value_or(0);
  snapshot.interest_source = text_of(document, "interest_source");
  if (const Json* warnings = member(document, "warnings"); warnings != nullptr && warnings->is_array()) {
    for (const Json& warning : *warnings) {
      if (warning.is_string()) snapshot.warnings.push_back(warning.get<std::string>());
    }
  }
  if (const Json* runtimes = member(document, "runtimes"); runtimes != nullptr && runtimes->is_array()) {
    for (const Json& runtime : *runtimes) {
      trace::RuntimeFacts& facts = snapshot.runtimes.emplace_back();
      facts.name = text_of(runtime, "name");
      facts.procs = number_of<std::uint32_t>(runtime, "procs");
      facts.poll_mode = text_of(runtime, "poll_mode");
      facts.trigger = text_of(runtime, "trigger");
      facts.epfd = number_of<int>(runtime, "epfd").value_or(-1);
    }
  }
  Reader reader(snapshot);
  if (const Json* goroutines = member(document, "goroutines"); goroutines != nullptr && goroutines->is_array()) {
    for (const Json& goroutine : *goroutines) {
      result.shown.push_back(static_cast<std::uint32_t>(snapshot.goroutines.size()));
      snapshot.goroutines.push_back(reader.goroutine(goroutine));
    }
  }
  return result;
}

}  // namespace netpoll::cli
