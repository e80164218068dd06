// The page of snapshot --graph: a tree of who waits for whom, from each process that was asked for, then the cycles.
#include <algorithm>
#include <map>
#include <set>

#include "exporters/goroutines/names.h"
#include "exporters/json.h"
#include "exporters/pages/member.h"
#include "exporters/pages/pages.h"
#include "exporters/table.h"
#include "exporters/text.h"

namespace netpoll::exporters {
namespace {

// All edges from one process to another that have the same answer are one line.
struct Line {
  std::int64_t to = 0;
  std::string answer;
  std::vector<std::size_t> edges;
  std::int64_t longest_ns = -1;
  std::size_t longest = 0;  // its edge
};

const char* meaning(const std::string& answer) {
  if (answer == "owes") return "nobody there waits for it";
  if (answer == "waits_too") return "who waits too: idle, or each waits for the other to speak";
  if (answer == "moving") return "who is at it";
  return "who was not looked at";
}

class Tree {
 public:
  Tree(const Json& document, const ExportOptions& options) : document_(document), options_(options) {
    for (const Json& process : at(document, {"processes"})) process_of_.emplace(number(at(process, {"pid"})), &process);
    const Json& edges = at(document, {"edges"});
    for (std::size_t i = 0; i < edges.size(); ++i) add(edges[i], i);
  }

  std::string text() {
    std::string out;
    for (const Json& process : at(document_, {"processes"})) {
      if (at(process, {"asked"}) != true) continue;
      std::set<std::int64_t> path;
      out += (out.empty() ? "" : "\n") + heading(number(at(process, {"pid"}))) +
             below(number(at(process, {"pid"})), 1, path);
    }
    return out;
  }

  std::string name(std::int64_t pid) const {
    const auto found = process_of_.find(pid);
    std::string comm = found == process_of_.end() ? comm_of_peer_.at(pid) : word(at(*found->second, {"comm"}));
    if (comm.empty()) comm = "process";
    return comm + " (pid " + std::to_string(pid) + ")";
  }

 private:
  static std::int64_t number(const Json& json) { return json.is_number_integer() ? json.get<std::int64_t>() : -1; }
  const Json& wait_of(std::size_t edge) const {
    const Json& waits = at(document_, {"waits"});
    const std::int64_t index = number(at(at(document_, {"edges"})[edge], {"wait"}));
    static const Json kNone;
    return index >= 0 && static_cast<std::size_t>(index) < waits.size() ? waits[static_cast<std::size_t>(index)]
                                                                        : kNone;
  }

  void add(const Json& edge, std::size_t index) {
    const Json& wait = wait_of(index);
    if (at(wait, {"watches"}) == true) return;
    const std::int64_t to = number(at(edge, {"pid"}));
    comm_of_peer_.emplace(to, word(at(edge, {"comm"})));
    std::vector<Line>& lines = lines_of_[number(at(wait, {"pid"}))];
    const std::string answer = word(at(edge, {"answer"}));
    auto line =
        std::find_if(lines.begin(), lines.end(), [&](const Line& l) { return l.to == to && l.answer == answer; });
    if (line == lines.end()) line = lines.insert(lines.end(), Line{.to = to, .answer = answer, .longest = index});
    line->edges.push_back(index);
    if (number(at(wait, {"wait_ns"})) <= line->longest_ns) return;
    line->longest_ns = number(at(wait, {"wait_ns"}));
    line->longest = index;
  }

  std::string heading(std::int64_t pid) const {
    const Json& process = *process_of_.at(pid);
    std::string out = styled(name(pid), Style::kBold, options_.color);
    const std::string runtime =
        runtime_text({{"kind", at(process, {"runtime"})}, {"runtime_version", at(process, {"runtime_version"})}});
    if (!runtime.empty()) out += ", " + runtime;
    if (!at(process, {"error"}).is_null()) out += ": not read: " + word(at(process, {"error"}));
    return out + "\n";
  }

  // "goroutine 7 in main.call, fd 5 read, 12.1 s"; of the function as much as there is room for in so many columns.
  std::string who(std::size_t edge, std::size_t room) const {
    constexpr std::size_t kLeast = 12;
    const Json& wait = wait_of(edge);
    const std::string whose = at(wait, {"goid"}).is_null() ? "thread " + compact(at(wait, {"tid"}))
                                                           : "goroutine " + compact(at(wait, {"goid"}));
    std::string what = ", fd " + compact(at(wait, {"fd"}));
    if (const std::string mode = word(at(wait, {"mode"})); !mode.empty()) what += " " + mode;
    if (const std::int64_t ns = number(at(wait, {"wait_ns"})); ns >= 0) {
      what += ", " + human_ns(static_cast<std::uint64_t>(ns));
    }
    std::string function = plain_function(word(at(wait, {"function"})));
    if (!function.empty()) {
      const std::size_t taken = whose.size() + std::string_view(" in ").size() + what.size();
      function = " in " + cut_to(function, room > taken + kLeast ? room - taken : kLeast, Cut::kStart);
    }
    return whose + function + what;
  }

  std::string below(std::int64_t pid, std::size_t depth, std::set<std::int64_t>& path) {
    constexpr std::size_t kDeepest = 32;
    const auto lines = lines_of_.find(pid);
    if (lines == lines_of_.end() || depth > kDeepest) return "";
    path.insert(pid);
    std::string out;
    for (const Line& line : lines->second) {
      const std::string indent(2 * depth, ' ');
      const bool ring = path.contains(line.to) && line.to != pid;
      out += indent + "-> " + (line.to == pid ? "itself" : name(line.to)) + ", " + meaning(line.answer) +
             (ring ? styled(" [above]", Style::kWarn, options_.color) : "") + "\n";
      const std::string begin =
          indent + "   " + grouped(line.edges.size()) + (line.edges.size() == 1 ? " wait: " : " waits, the longest: ");
      out += begin + who(line.longest, std::max(options_.width, begin.size()) - begin.size()) + "\n";
      // What comes back, or idles, is told already; and a process is opened once.
      if (path.contains(line.to) || line.answer == "waits_too" || !opened_.insert(line.to).second) continue;
      out += below(line.to, depth + 1, path);
    }
    path.erase(pid);
    return out;
  }

  const Json& document_;
  const ExportOptions& options_;
  std::map<std::int64_t, const Json*> process_of_;
  std::map<std::int64_t, std::string> comm_of_peer_;
  std::map<std::int64_t, std::vector<Line>> lines_of_;
  std::set<std::int64_t> opened_;
};

}  // namespace

std::string graph_page(const Json& document, const ExportOptions& options) {
  Tree tree(document, options);
  std::string out = tree.text();
  for (const Json& cycle : at(document, {"cycles"})) {
    std::string ring;
    for (const Json& pid : at(cycle, {"pids"})) ring += tree.name(pid.get<std::int64_t>()) + " -> ";
    out += "\n" + styled("cycle", Style::kBad, options.color) + ": " + ring +
           tree.name(at(cycle, {"pids"}).front().get<std::int64_t>()) + "\n";
  }
  if (at(document, {"truncated"}) == true) out += "\nthere are more processes than were looked at\n";
  return out;
}

}  // namespace netpoll::exporters
