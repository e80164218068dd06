// The format debug1: the text of Go's /debug/pprof/goroutine?debug=1 (Go 1.27, runtime/pprof/pprof.go,
// printCountProfile): goroutines with equal stacks and labels counted together. go tool pprof reads it.
#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "exporters/formats.h"
#include "exporters/goroutines/names.h"
#include "exporters/snapshot_document.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

using trace::Frame;
using trace::Goroutine;

// As Go's %q.
std::string go_quoted(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return '"' + printable(escaped) + '"';
}

using Labels = std::vector<std::pair<std::string, std::string>>;

std::string labels_line(const Labels& labels) {
  std::string line = "# labels: {";
  for (const auto& [key, value] : labels) {
    line += (line.ends_with('{') ? "" : ", ") + go_quoted(key) + ":" + go_quoted(value);
  }
  return line + "}\n";
}

// Cells end in tabs, as many as bring each column to a multiple of eight (Go's text/tabwriter).
std::string aligned(const std::vector<std::array<std::string, 3>>& rows) {
  constexpr std::size_t kTab = 8;
  std::array<std::size_t, 2> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], (display_width(row[i]) + kTab) / kTab * kTab);
    }
  }
  std::string out;
  for (const auto& row : rows) {
    out += "#\t";
    for (std::size_t i = 0; i < widths.size(); ++i) {
      out += row[i];
      if (row[i + 1].empty()) break;
      out.append((widths[i] - display_width(row[i]) + kTab - 1) / kTab, '\t');
    }
    if (!row[2].empty()) out += row[2];
    out += '\n';
  }
  return out;
}

// What the frames' lines say: the address of the call, not of what comes after it.
std::array<std::string, 3> row_of(const Frame& frame) {
  const std::uint64_t pc = frame.pc > 0 ? frame.pc - 1 : 0;
  std::array<std::string, 3> row{hex(pc), {}, {}};
  if (frame.function.empty()) return row;
  row[1] = printable(plain_function(frame.function));
  if (frame.entry_pc != 0 && pc >= frame.entry_pc) row[1] += "+" + hex(pc - frame.entry_pc);
  row[2] = frame.file.empty() ? "??:0" : printable(frame.file) + ":" + std::to_string(frame.line);
  return row;
}

struct Group {
  std::vector<const Frame*> frames;
  Labels labels;
  std::size_t count = 0;
};

class Debug1Exporter : public Exporter {
 public:
  Debug1Exporter(Destination& out, const ExportOptions& options) : out_(out), everything_(options.everything) {}

  Result<void> snapshot(const SnapshotDocument& document) override {
    std::vector<Group> groups = grouped_by_stack(document);
    std::string text = "goroutine profile: total " + std::to_string(document.shown.size()) + "\n";
    for (const Group& group : groups) {
      text += std::to_string(group.count) + " @";
      // A stack has one address at least; inlined calls share the address of the function that they are in, which may
      // be hidden itself.
      if (group.frames.empty()) text += " 0x0";
      for (std::size_t i = 0; i < group.frames.size(); ++i) {
        const Frame& frame = *group.frames[i];
        const bool goes_on = frame.inlined && i + 1 < group.frames.size() && group.frames[i + 1]->pc == frame.pc;
        if (!goes_on) text += " " + hex(frame.pc);
      }
      text += "\n";
      if (!group.labels.empty()) text += labels_line(group.labels);
      std::vector<std::array<std::string, 3>> rows;
      for (const Frame* frame : group.frames) rows.push_back(row_of(*frame));
      text += aligned(rows) + "\n";
    }
    return out_.write(text);
  }

 private:
  // Those with most goroutines first.
  std::vector<Group> grouped_by_stack(const SnapshotDocument& document) const {
    std::map<std::pair<std::vector<const Frame*>, Labels>, std::size_t> counts;
    for (const std::uint32_t index : document.shown) {
      const Goroutine& g = document.snapshot.goroutines.at(index);
      Labels labels = g.labels;
      std::sort(labels.begin(), labels.end());
      ++counts[{shown_frames(document.snapshot, g, everything_), std::move(labels)}];
    }
    std::vector<Group> groups;
    for (const auto& [key, count] : counts)
      groups.push_back({.frames = key.first, .labels = key.second, .count = count});
    std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.count > b.count; });
    return groups;
  }

  Destination& out_;
  bool everything_;
};

}  // namespace

std::unique_ptr<Exporter> make_debug1(Destination& out, const ExportOptions& options) {
  return std::make_unique<Debug1Exporter>(out, options);
}

}  // namespace netpoll::exporters
