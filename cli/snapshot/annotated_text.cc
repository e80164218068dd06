// Puts what is known of a descriptor into words that parsers of dumps skip.
#include "cli/snapshot/annotated_text.h"

#include <algorithm>

#include "exporters/json.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using trace::Goroutine;

// Lines and tabs stay, as do UTF-8 and what a terminal can show.
std::string safe(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\n\t\r"), text.size());
    out += exporters::printable(text.substr(0, end));
    // A carriage return belongs to the end of a line.
    if (end < text.size() && (text[end] != '\r' || text.substr(end).starts_with("\r\n"))) out += text[end];
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// A word of ours between brackets, in which a comma would begin another part and a bracket the end.
std::string word_of(std::string_view text) {
  std::string word = exporters::printable(text);
  std::replace(word.begin(), word.end(), ',', ' ');
  std::replace(word.begin(), word.end(), '[', '(');
  std::replace(word.begin(), word.end(), ']', ')');
  return word;
}

// "fd 7 read", "tcp 127.0.0.1:80", "peer 127.0.0.1:5000", "ESTABLISHED", "held by client/9 (pid 12)"
std::vector<std::string> facts_of(const Goroutine& g, const std::optional<std::uint64_t>& poll_desc) {
  std::vector<std::string> facts;
  const std::string mode = !g.mode ? "" : *g.mode == trace::IoMode::kRead ? "read" : "write";
  if (g.fd) {
    facts.push_back("fd " + std::to_string(*g.fd) + (mode.empty() ? "" : " " + mode));
  } else if (!mode.empty()) {
    facts.push_back(mode);
  }
  if (!g.fd && poll_desc) facts.push_back("pollDesc " + exporters::hex(*poll_desc));
  if (!g.local.empty()) facts.push_back((g.kind.empty() ? "" : word_of(g.kind) + " ") + word_of(g.local));
  if (!g.peer.empty()) facts.push_back("peer " + word_of(g.peer));
  if (!g.tcp_state.empty()) facts.push_back(word_of(g.tcp_state));
  if (!g.peer_processes.empty()) {
    const trace::PeerProcess& p = g.peer_processes.front();
    facts.push_back("held by " + word_of(p.comm) + "/" + std::to_string(p.fd) + " (pid " + std::to_string(p.pid) + ")");
  }
  if (g.foreign_change) facts.emplace_back("foreign epoll_ctl");
  return facts;
}

std::string joined(const std::vector<std::string>& facts) {
  std::string text;
  for (const std::string& fact : facts) text += (text.empty() ? "" : ", ") + fact;
  return text;
}

// A change of the text.
struct Edit {
  std::size_t offset = 0;
  std::size_t length = 0;
  std::string text;
};

void add_places(const probes::Dump& dump, std::vector<Edit>& edits) {
  for (const probes::DumpPlace& place : dump.places) {
    std::string added;
    for (const std::uint32_t index : place.goroutines) {
      const Goroutine& g = dump.snapshot.goroutines[index];
      const std::string facts = joined(facts_of(g, dump.poll_descs[index]));
      // Of a goroutine without number and descriptor nothing is worth a line of its own.
      if (facts.empty() || (!place.in_brackets && g.goid == 0 && !g.fd)) continue;
      if (place.in_brackets) {
        added += ", " + facts;
      } else {
        const std::string who = g.goid == 0 ? "" : "goroutine " + std::to_string(g.goid) + ": ";
        added += safe(place.line_prefix) + "# " + who + facts + "\n";
      }
    }
    edits.push_back({.offset = place.offset, .length = 0, .text = std::move(added)});
  }
}

void add_secrets(const probes::Dump& dump, const Redaction& redaction, std::vector<Edit>& edits) {
  using Kind = probes::DumpSecret::Kind;
  for (const probes::DumpSecret& secret : dump.secrets) {
    if (secret.kind == Kind::kArguments ? !redaction.args : !redaction.labels) continue;
    const char* instead = secret.kind == Kind::kArguments ? "..."
                          : secret.kind == Kind::kLabels  ? "{(redacted)}"
                                                          : "\"(redacted)\"";
    edits.push_back({.offset = secret.offset, .length = secret.length, .text = instead});
  }
}

}  // namespace

std::string annotated_text(std::string_view text, const std::vector<probes::Dump>& dumps, const Redaction& redaction) {
  std::vector<Edit> edits;
  for (const probes::Dump& dump : dumps) {
    add_places(dump, edits);
    add_secrets(dump, redaction, edits);
  }
  std::stable_sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) { return a.offset < b.offset; });
  std::string out;
  std::size_t done = 0;
  for (const Edit& edit : edits) {
    out += safe(text.substr(done, edit.offset - done));
    out += edit.text;
    done = edit.offset + edit.length;
  }
  return out + safe(text.substr(done));
}

}  // namespace netpoll::cli
