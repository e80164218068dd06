// The document of `snapshot`.
#include "cli/documents/snapshot.h"

#include <algorithm>
#include <map>

#include "cli/documents/envelope.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using trace::Frame;
using trace::Goroutine;
using trace::GoroutineSnapshot;

Json text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : Json(std::string(text)); }

const Frame* frame_of(const GoroutineSnapshot& snapshot, const std::optional<std::uint32_t>& index) {
  return index && *index < snapshot.frames.size() ? &snapshot.frames[*index] : nullptr;
}

// A name where the program has symbols, else the address.
Json name_or_pc(const Frame* frame) {
  if (frame == nullptr) return nullptr;
  if (!frame->function.empty()) return frame->function;
  return frame->pc != 0 ? Json(exporters::hex(frame->pc)) : Json(nullptr);
}

Json line_or_null(int line) { return line > 0 ? Json(line) : Json(nullptr); }

Json frame_json(const Frame& frame) {
  Json json;
  json["function"] = name_or_pc(&frame);
  json["file"] = text_or_null(frame.file);
  json["line"] = line_or_null(frame.line);
  json["pc"] = exporters::hex(frame.pc);
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

Json peers_json(const Goroutine& g) {
  Json json = Json::array();
  for (const trace::PeerProcess& p : g.peer_processes) {
    json.push_back({{"pid", p.pid}, {"comm", p.comm}, {"fd", p.fd}});
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
  const auto in =
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(*g.deadline_in_ns));
  return timestamp(taken_at + in);
}

Json labels_json(const Goroutine& g) {
  Json json = Json::object();
  for (const auto& [key, value] : g.labels) json[key] = value;
  return json;
}

Json goroutine_json(const GoroutineSnapshot& snapshot, const Goroutine& g,
                    std::chrono::system_clock::time_point taken_at) {
  const Frame* created_by = frame_of(snapshot, g.created_by);
  Json json;
  json["goid"] = g.goid;
  json["parent_goid"] = exporters::or_null(g.parent_goid);
  json["runtime"] = g.runtime;
  json["status"] = g.status;
  json["wait_reason"] = text_or_null(g.wait_reason);
  json["wait_ns"] = exporters::or_null(g.wait_ns);
  json["wait_at_least_ns"] = exporters::or_null(g.wait_at_least_ns);
  json["fd"] = exporters::or_null(g.fd);
  json["mode"] = g.mode ? Json(*g.mode == trace::IoMode::kRead ? "read" : "write") : Json(nullptr);
  json["fd_source"] = fd_source_json(g.fd_source);
  json["other_fd"] = exporters::or_null(g.other_fd);
  json["deadline"] = deadline_json(g, taken_at);
  json["deadline_in_ns"] = exporters::or_null(g.deadline_in_ns);
  json["kind"] = text_or_null(g.kind);
  json["local"] = text_or_null(g.local);
  json["peer"] = text_or_null(g.peer);
  json["tcp_state"] = text_or_null(g.tcp_state);
  json["recv_queue_bytes"] = exporters::or_null(g.recv_queue_bytes);
  json["send_queue_bytes"] = exporters::or_null(g.send_queue_bytes);
  json["socket_idle_ns"] = exporters::or_null(g.socket_idle_ns);
  Json peers = peers_json(g);
  json["peer_process"] = peers.empty() ? Json(nullptr) : peers.front();
  json["peer_processes"] = std::move(peers);
  json["syscall"] = text_or_null(g.syscall);
  json["tid"] = exporters::or_null(g.tid);
  json["becoming_ready"] = g.becoming_ready;
  json["foreign_change"] = g.foreign_change;
  json["labels"] = labels_json(g);
  json["system"] = g.system;
  json["locked_to_thread"] = g.locked_to_thread;
  json["stable"] = g.stable;
  json["function"] = name_or_pc(frame_of(snapshot, g.entry));
  json["created_by"] = name_or_pc(created_by);
  json["created_by_file"] = created_by == nullptr ? Json(nullptr) : text_or_null(created_by->file);
  json["created_by_line"] = created_by == nullptr ? Json(nullptr) : line_or_null(created_by->line);
  json["stack"] = stack_json(snapshot, g);
  json["stack_ends_early"] = text_or_null(g.stack_ends_early);
  return json;
}

Json runtimes_json(const GoroutineSnapshot& snapshot) {
  Json json = Json::array();
  for (const trace::RuntimeFacts& runtime : snapshot.runtimes) {
    json.push_back({{"name", runtime.name},
                    {"procs", exporters::or_null(runtime.procs)},
                    {"poll_mode", text_or_null(runtime.poll_mode)},
                    {"trigger", text_or_null(runtime.trigger)},
                    {"epfd", runtime.epfd >= 0 ? Json(runtime.epfd) : Json(nullptr)}});
  }
  return json;
}

bool has_function(const GoroutineSnapshot& snapshot, const Goroutine& g, std::string_view part) {
  const auto in = [&](const Frame* frame) {
    return frame != nullptr && frame->function.find(part) != std::string::npos;
  };
  if (in(frame_of(snapshot, g.entry)) || in(frame_of(snapshot, g.created_by))) return true;
  return std::any_of(g.stack.begin(), g.stack.end(),
                     [&](std::uint32_t index) { return in(frame_of(snapshot, index)); });
}

}  // namespace

bool GoroutineFilter::shows(const GoroutineSnapshot& snapshot, const Goroutine& g) const {
  if (!all && !g.io_wait) return false;
  if (min_wait && g.wait_ns.value_or(g.wait_at_least_ns.value_or(-1)) < min_wait->count()) return false;
  if (fd && g.fd != fd) return false;
  if (!peer.empty() && g.peer.find(peer) == std::string::npos) return false;
  if (!function.empty() && !has_function(snapshot, g, function)) return false;
  return !no_deadline || (g.io_wait && !g.deadline_in_ns);
}

Json snapshot_document(const GoroutineSnapshot& snapshot, const probes::TargetInfo& target,
                       std::chrono::system_clock::time_point taken_at, const GoroutineFilter& filter) {
  Json json = new_document("snapshot", taken_at);
  json["target"] = target_json(target);
  json["target"]["kind"] = snapshot.language;
  json["target"]["runtime_version"] = text_or_null(snapshot.runtime_version);
  ProbeInfo probe;
  probe.lost = snapshot.inconsistent;
  probe.overhead_note = snapshot.paused_ns == 0 ? "the target's memory was read while it ran; it was not stopped"
                                                : "the target was stopped while its memory was read";
  json["probe"] = probe_json(probe);
  json["took_ns"] = snapshot.took_ns;
  json["paused_ns"] = snapshot.paused_ns;
  json["consistent"] = snapshot.inconsistent == 0;
  json["inconsistent"] = snapshot.inconsistent;
  json["retries"] = snapshot.retries;
  json["interest_source"] = text_or_null(snapshot.interest_source);
  json["warnings"] = snapshot.warnings;
  json["runtimes"] = runtimes_json(snapshot);

  std::map<std::string, std::uint64_t> states;
  Json shown = Json::array();
  for (const Goroutine& g : snapshot.goroutines) {
    ++states[g.wait_reason.empty() ? g.status : g.wait_reason];
    if (filter.shows(snapshot, g)) shown.push_back(goroutine_json(snapshot, g, taken_at));
  }
  json["total"] = snapshot.goroutines.size();
  json["states"] = states;
  json["goroutines"] = std::move(shown);
  return json;
}

}  // namespace netpoll::cli
