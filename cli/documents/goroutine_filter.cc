// Chooses goroutines, and blacks out what was asked for.
#include "cli/documents/goroutine_filter.h"

#include <algorithm>
#include <string_view>

#include "cli/spell.h"
#include "exporters/goroutines/names.h"

namespace netpoll::cli {
namespace {

using exporters::frame_at;
using trace::Frame;
using trace::Goroutine;
using trace::GoroutineSnapshot;

constexpr std::string_view kRedacted = "(redacted)";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool has_function(const GoroutineSnapshot& snapshot, const Goroutine& g, std::string_view part) {
  const auto in = [&](const Frame* frame) { return frame != nullptr && contains(frame->function, part); };
  if (in(frame_at(snapshot, g.entry)) || in(frame_at(snapshot, g.created_by))) return true;
  return std::any_of(g.stack.begin(), g.stack.end(),
                     [&](std::uint32_t index) { return in(frame_at(snapshot, index)); });
}

bool has_label(const Goroutine& g, const std::string& key, const std::optional<std::string>& value) {
  return std::any_of(g.labels.begin(), g.labels.end(),
                     [&](const auto& label) { return label.first == key && (!value || label.second == *value); });
}

}  // namespace

bool GoroutineFilter::shows(const GoroutineSnapshot& snapshot, const Goroutine& g) const {
  if (!all && !g.io_wait) return false;
  if (min_wait && exporters::known_wait_ns(g).value_or(-1) < min_wait->count()) return false;
  if (fd && g.fd != fd) return false;
  if (!contains(g.peer, peer) || !contains(g.local, local)) return false;
  if (!state.empty() && !same_word(g.tcp_state, state) && !same_word(exporters::state_of(g), state)) return false;
  if (!function.empty() && !has_function(snapshot, g, function)) return false;
  for (const auto& [key, value] : labels) {
    if (!has_label(g, key, value)) return false;
  }
  return !no_deadline || (g.io_wait && !g.deadline_in_ns);
}

Result<std::pair<std::string, std::optional<std::string>>> parse_label(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == 0 || text.empty()) {
    return Error(ErrorKind::kInvalid, "--label needs a key, not \"" + text + "\"").with_hint("--label request=42");
  }
  if (equals == std::string::npos) return std::pair(text, std::optional<std::string>());
  return std::pair(text.substr(0, equals), std::optional(text.substr(equals + 1)));
}

Result<Redaction> parse_redaction(const std::vector<std::string>& words) {
  Redaction redaction;
  for (const std::string& word : words) {
    if (word == "labels") {
      redaction.labels = true;
    } else if (word == "peers") {
      redaction.peers = true;
    } else if (word == "args") {
      redaction.args = true;
    } else {
      return Error(ErrorKind::kInvalid, "--redact does not know \"" + word + "\"")
          .with_hint(did_you_mean(word, {"labels", "peers", "args"}, "one or several of: labels, peers, args"));
    }
  }
  return redaction;
}

void redact(GoroutineSnapshot& snapshot, const Redaction& redaction) {
  for (Goroutine& g : snapshot.goroutines) {
    if (redaction.labels) {
      for (auto& [key, value] : g.labels) value = kRedacted;
    }
    if (redaction.peers) {
      if (!g.local.empty()) g.local = kRedacted;
      if (!g.peer.empty()) g.peer = kRedacted;
      for (trace::PeerProcess& p : g.peer_processes) p.comm = kRedacted;
    }
  }
  if (redaction.args) {
    for (Goroutine& g : snapshot.goroutines) {
      for (trace::PeerProcess& p : g.peer_processes) {
        if (!p.waiters) continue;
        for (trace::PeerWaiter& waiter : *p.waiters) waiter.function = exporters::plain_function(waiter.function);
      }
    }
    for (Frame& frame : snapshot.frames) frame.function = exporters::plain_function(frame.function);
  }
}

}  // namespace netpoll::cli
