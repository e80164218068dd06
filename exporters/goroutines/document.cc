// Turns records into JSON.
#include "exporters/goroutines/document.h"

#include <chrono>
#include <map>

#include "exporters/goroutines/names.h"

namespace netpoll::exporters {
namespace {

using trace::Frame;
using trace::Goroutine;
using trace::GoroutineSnapshot;

// A name where the program has symbols, else the address.
Json name_or_pc(const Frame* frame) {
  if (frame == nullptr) return nullptr;
  if (!frame->function.empty()) return frame->function;
  return frame->pc != 0 ? Json(hex(frame->pc)) : Json(nullptr);
}

Json line_or_null(int line) { return line > 0 ? Json(line) : Json(nullptr); }

Json frame_json(const Frame& frame) {
  Json json;
  json["function"] = name_or_pc(&frame);
  json["file"] = text_or_null(frame.file);
  json["line"] = line_or_null(frame.line);
  json["pc"] = hex(frame.pc);
  json["inlined"] = frame.inlined;
  json["hidden"] = frame.hidden;
  return json;
}

Json stack_json(const GoroutineSnapshot& snapshot, const Goroutine& g) {
  if (g.stack.empty()) return nullptr;
  Json json = Json::array();
  for (const std::uint32_t index : g.stack) {
    if (index < snapshot.frames.size()) json.push_back(frame_json(snapshot.frames[index]));
  }
  return json;
}

// Null where nobody looked.
Json waiters_json(const trace::PeerProcess& peer) {
  if (!peer.waiters) return nullptr;
  Json json = Json::array();
  for (const trace::PeerWaiter& w : *peer.waiters) {
    json.push_back({{"goid", or_null(w.goid)},
                    {"tid", or_null(w.tid)},
                    {"state", w.state},
                    {"mode", w.mode ? Json(*w.mode == trace::IoMode::kRead ? "read" : "write") : Json(nullptr)},
                    {"wait_ns", or_null(w.wait_ns)},
                    {"function", text_or_null(w.function)}});
  }
  return json;
}

Json peers_json(const Goroutine& g) {
  Json json = Json::array();
  for (const trace::PeerProcess& p : g.peer_processes) {
    json.push_back({{"pid", p.pid}, {"comm", p.comm}, {"fd", p.fd}, {"waiters", waiters_json(p)}});
  }
  return json;
}

Json fd_source_json(trace::FdSource source) {
  switch (source) {
    case trace::FdSource::kPoller:
      return "poller";
    case trace::FdSource::kStack:
      return "stack";
    case trace::FdSource::kBoth:
      return "both";
    case trace::FdSource::kNone:
      break;
  }
  return nullptr;
}

Json deadline_json(const Goroutine& g, std::chrono::system_clock::time_point taken_at) {
  if (!g.deadline_in_ns) return nullptr;
  // One beyond what a time of day can say is as good as none; deadline_in_ns has it all the same.
  using Clock = std::chrono::system_clock;
  const auto room = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::time_point::max() - taken_at);
  if (std::chrono::nanoseconds(*g.deadline_in_ns) > room) return nullptr;
  const auto in =
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(*g.deadline_in_ns));
  return timestamp(taken_at + in);
}

Json labels_json(const Goroutine& g) {
  Json json = Json::object();
  for (const auto& [key, value] : g.labels) json[key] = value;
  return json;
}

Json runtimes_json(const GoroutineSnapshot& snapshot) {
  Json json = Json::array();
  for (const trace::RuntimeFacts& runtime : snapshot.runtimes) {
    json.push_back({{"name", runtime.name},
                    {"procs", or_null(runtime.procs)},
                    {"poll_mode", text_or_null(runtime.poll_mode)},
                    {"trigger", text_or_null(runtime.trigger)},
                    {"epfd", runtime.epfd >= 0 ? Json(runtime.epfd) : Json(nullptr)}});
  }
  return json;
}

}  // namespace

Json goroutine_json(const SnapshotDocument& document, const Goroutine& g) {
  const GoroutineSnapshot& snapshot = document.snapshot;
  const Frame* created_by = frame_at(snapshot, g.created_by);
  Json peers = peers_json(g);
  Json json = Json::object();
  // Appended without looking for each name among those that are there: documents have many goroutines.
  auto& members = json.get_ref<Json::object_t&>();
  members.reserve(40);
  const auto add = [&members](const char* name, Json value) { members.emplace_back(name, std::move(value)); };
  add("goid", g.goid == 0 ? Json(nullptr) : Json(g.goid));
  add("parent_goid", or_null(g.parent_goid));
  add("runtime", g.runtime);
  add("status", g.status);
  add("wait_reason", text_or_null(g.wait_reason));
  add("wait_ns", or_null(g.wait_ns));
  add("wait_at_least_ns", or_null(g.wait_at_least_ns));
  add("fd", or_null(g.fd));
  add("mode", g.mode ? Json(*g.mode == trace::IoMode::kRead ? "read" : "write") : Json(nullptr));
  add("fd_source", fd_source_json(g.fd_source));
  add("other_fd", or_null(g.other_fd));
  add("fd_state", text_or_null(g.fd_state));
  add("deadline", deadline_json(g, document.taken_at));
  add("deadline_in_ns", or_null(g.deadline_in_ns));
  add("kind", text_or_null(g.kind));
  add("local", text_or_null(g.local));
  add("peer", text_or_null(g.peer));
  add("tcp_state", text_or_null(g.tcp_state));
  add("recv_queue_bytes", or_null(g.recv_queue_bytes));
  add("send_queue_bytes", or_null(g.send_queue_bytes));
  add("socket_idle_ns", or_null(g.socket_idle_ns));
  add("peer_process", peers.empty() ? Json(nullptr) : peers.front());
  add("peer_processes", std::move(peers));
  add("remarks", g.remarks);
  add("syscall", text_or_null(g.syscall));
  add("tid", or_null(g.tid));
  add("becoming_ready", g.becoming_ready);
  add("foreign_change", g.foreign_change);
  add("labels", labels_json(g));
  add("system", g.system);
  add("locked_to_thread", g.locked_to_thread);
  add("stable", g.stable);
  add("function", name_or_pc(frame_at(snapshot, g.entry)));
  add("created_by", name_or_pc(created_by));
  add("created_by_file", created_by == nullptr ? Json(nullptr) : text_or_null(created_by->file));
  add("created_by_line", created_by == nullptr ? Json(nullptr) : line_or_null(created_by->line));
  add("stack", stack_json(snapshot, g));
  add("stack_ends_early", text_or_null(g.stack_ends_early));
  return json;
}

Json snapshot_head(const SnapshotDocument& document) {
  const GoroutineSnapshot& snapshot = document.snapshot;
  Json json = document.head;
  json["took_ns"] = snapshot.took_ns;
  json["paused_ns"] = snapshot.paused_ns;
  json["consistent"] = snapshot.inconsistent == 0;
  json["inconsistent"] = snapshot.inconsistent;
  json["retries"] = snapshot.retries;
  json["interest_source"] = text_or_null(snapshot.interest_source);
  json["warnings"] = snapshot.warnings;
  json["runtimes"] = runtimes_json(snapshot);
  std::map<std::string, std::uint64_t> states;
  for (const Goroutine& g : snapshot.goroutines) ++states[std::string(state_of(g))];
  json["total"] = snapshot.goroutines.size();
  json["states"] = states;
  return json;
}

Json snapshot_json(const SnapshotDocument& document) {
  Json json = snapshot_head(document);
  Json shown = Json::array();
  for (const std::uint32_t index : document.shown) {
    shown.push_back(goroutine_json(document, document.snapshot.goroutines.at(index)));
  }
  json["goroutines"] = std::move(shown);
  return json;
}

}  // namespace netpoll::exporters
