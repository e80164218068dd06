// Turns records into JSON.
#include "exporters/goroutines/document.h"

#include <chrono>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "exporters/goroutines/names.h"
#include "exporters/json.h"
#include "exporters/json_members.h"

namespace netpoll::exporters {
namespace {

using trace::Frame;
using trace::Goroutine;
using trace::GoroutineSnapshot;

std::string_view mode_name(trace::IoMode mode) { return mode == trace::IoMode::kRead ? "read" : "write"; }

// A name where the program has symbols, else the address.
Json name_or_pc(const Frame* frame) {
  if (frame == nullptr) return nullptr;
  if (!frame->function.empty()) return frame->function;
  return frame->pc != 0 ? Json(hex(frame->pc)) : Json(nullptr);
}

std::optional<int> known_line(int line) { return line > 0 ? std::optional(line) : std::nullopt; }

std::optional<std::string_view> known(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

Json frame_json(const Frame& frame) {
  Json json;
  json["function"] = name_or_pc(&frame);
  json["file"] = text_or_null(frame.file);
  json["line"] = or_null(known_line(frame.line));
  json["pc"] = hex(frame.pc);
  json["inlined"] = frame.inlined;
  json["hidden"] = frame.hidden;
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
                    {"mode", w.mode ? Json(mode_name(*w.mode)) : Json(nullptr)},
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

std::optional<std::string_view> fd_source_name(trace::FdSource source) {
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
  return std::nullopt;
}

std::optional<std::string> deadline_of(const Goroutine& g, std::chrono::system_clock::time_point taken_at) {
  if (!g.deadline_in_ns) return std::nullopt;
  // One beyond what a time of day can say is as good as none; deadline_in_ns has it all the same.
  using Clock = std::chrono::system_clock;
  const auto room = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::time_point::max() - taken_at);
  if (std::chrono::nanoseconds(*g.deadline_in_ns) > room) return std::nullopt;
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

// The members of a goroutine in their order, but for its stack. Members has add() for plain values and optional ones,
// and add_json().
template <typename Members>
void add_members(const SnapshotDocument& document, const Goroutine& g, Members& to) {
  const GoroutineSnapshot& snapshot = document.snapshot;
  const Frame* created_by = frame_at(snapshot, g.created_by);
  to.add("goid", g.goid == 0 ? std::nullopt : std::optional(g.goid));
  to.add("parent_goid", g.parent_goid);
  to.add("runtime", g.runtime);
  to.add("status", g.status);
  to.add("wait_reason", known(g.wait_reason));
  to.add("wait_ns", g.wait_ns);
  to.add("wait_at_least_ns", g.wait_at_least_ns);
  to.add("fd", g.fd);
  to.add("mode", g.mode ? std::optional(mode_name(*g.mode)) : std::nullopt);
  to.add("fd_source", fd_source_name(g.fd_source));
  to.add("other_fd", g.other_fd);
  to.add("fd_state", known(g.fd_state));
  to.add("deadline", deadline_of(g, document.taken_at));
  to.add("deadline_in_ns", g.deadline_in_ns);
  to.add("kind", known(g.kind));
  to.add("local", known(g.local));
  to.add("peer", known(g.peer));
  to.add("tcp_state", known(g.tcp_state));
  to.add("recv_queue_bytes", g.recv_queue_bytes);
  to.add("send_queue_bytes", g.send_queue_bytes);
  to.add("socket_idle_ns", g.socket_idle_ns);
  Json peers = peers_json(g);
  to.add_json("peer_process", peers.empty() ? Json(nullptr) : peers.front());
  to.add_json("peer_processes", peers);
  to.add_json("remarks", g.remarks);
  to.add("syscall", known(g.syscall));
  to.add("tid", g.tid);
  to.add("becoming_ready", g.becoming_ready);
  to.add("foreign_change", g.foreign_change);
  to.add_json("labels", labels_json(g));
  to.add("system", g.system);
  to.add("locked_to_thread", g.locked_to_thread);
  to.add("stable", g.stable);
  to.add_json("function", name_or_pc(frame_at(snapshot, g.entry)));
  to.add_json("created_by", name_or_pc(created_by));
  to.add("created_by_file", created_by == nullptr ? std::nullopt : known(created_by->file));
  to.add("created_by_line", created_by == nullptr ? std::nullopt : known_line(created_by->line));
}

// How far a goroutine, a frame of its stack and the end of the stack are indented in a document.
constexpr std::size_t kGoroutineIndent = 4;
constexpr std::size_t kStackIndent = kGoroutineIndent + 2;
constexpr std::size_t kFrameIndent = kStackIndent + 2;

constexpr std::size_t kPiece = 1 << 18;

}  // namespace

void GoroutineText::append(std::string& out, const Goroutine& g) {
  ObjectText members(out, layout_, kGoroutineIndent);
  if (layout_ == Layout::kLine) members.add("type", "goroutine");
  add_members(document_, g, members);
  members.key("stack");
  append_stack(out, g);
  members.add("stack_ends_early", known(g.stack_ends_early));
  members.end();
}

void GoroutineText::append_stack(std::string& out, const Goroutine& g) {
  if (g.stack.empty()) {
    out += "null";
    return;
  }
  const bool lines = layout_ == Layout::kDocument;
  out += '[';
  const std::size_t begin = out.size();
  for (const std::uint32_t index : g.stack) {
    if (index >= document_.snapshot.frames.size()) continue;
    if (out.size() != begin) out += ',';
    if (lines) out.append(1, '\n').append(kFrameIndent, ' ');
    out += frame_text(index);
  }
  if (lines && out.size() != begin) out.append(1, '\n').append(kStackIndent, ' ');
  out += ']';
}

const std::string& GoroutineText::frame_text(std::uint32_t index) {
  if (frames_.empty()) frames_.resize(document_.snapshot.frames.size());
  std::string& text = frames_.at(index);
  if (text.empty()) {
    append_json(text, frame_json(document_.snapshot.frames[index]), layout_, kFrameIndent, kFrameIndent);
  }
  return text;
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
    Json row = Json::object();
    JsonMembers members(row, 40);
    add_members(document, document.snapshot.goroutines.at(index), members);
    shown.push_back(std::move(row));
  }
  json["goroutines"] = std::move(shown);
  return json;
}

Result<void> write_snapshot(Destination& out, const SnapshotDocument& document) {
  std::string text;
  ObjectText members(text, Layout::kDocument);
  const Json head = snapshot_head(document);
  for (const auto& [name, value] : head.get_ref<const Json::object_t&>()) members.add_json(name, value);
  members.key("goroutines");
  text += '[';
  GoroutineText goroutines(document, Layout::kDocument);
  bool first = true;
  for (const std::uint32_t index : document.shown) {
    text += first ? "\n" : ",\n";
    first = false;
    text.append(kGoroutineIndent, ' ');
    goroutines.append(text, document.snapshot.goroutines.at(index));
    if (text.size() < kPiece) continue;
    if (auto written = out.write(text); !written) return written;
    text.clear();
  }
  text += first ? "]" : "\n  ]";
  members.end();
  text += '\n';
  return out.write(text);
}

}  // namespace netpoll::exporters
