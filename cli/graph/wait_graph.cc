// Reads processes breadth first and looks for rings among those that owe one another.
#include "cli/graph/wait_graph.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

namespace netpoll::cli {
namespace {

using OpenFile = std::pair<pid_t, int>;

Answer answer_of(const WaitGraph& graph, const probes::DescriptorWait& wait, const WaitEdge& edge) {
  const auto process = std::find_if(graph.processes.begin(), graph.processes.end(),
                                    [&](const GraphProcess& p) { return p.pid == edge.to; });
  if (process == graph.processes.end() || !process->error.empty()) return Answer::kUnknown;
  bool other_way = false;
  for (const std::size_t index : edge.there) {
    const probes::DescriptorWait& there = graph.waits[index].wait;
    if (there.watches) continue;
    if (there.waiter.mode == wait.waiter.mode) return Answer::kWaitsToo;
    other_way = true;
  }
  return other_way ? Answer::kMoving : Answer::kOwes;
}

// The shortest way from one process back to itself; empty: there is none.
WaitCycle ring_through(pid_t start, const WaitGraph& graph, const std::map<pid_t, std::map<pid_t, std::size_t>>& owed) {
  std::map<pid_t, std::size_t> came_by;
  std::deque<pid_t> todo{start};
  while (!todo.empty()) {
    const pid_t pid = todo.front();
    todo.pop_front();
    const auto next = owed.find(pid);
    if (next == owed.end()) continue;
    for (const auto& [to, edge] : next->second) {
      if (!came_by.emplace(to, edge).second) continue;
      if (to == start) {
        todo.clear();
        break;
      }
      todo.push_back(to);
    }
  }
  WaitCycle ring;
  if (!came_by.contains(start)) return ring;
  pid_t at = start;
  do {
    ring.push_back(came_by.at(at));
    at = graph.waits[graph.edges[ring.back()].from].pid;
  } while (at != start);
  std::reverse(ring.begin(), ring.end());
  return ring;
}

void find_cycles(WaitGraph& graph) {
  std::map<pid_t, std::map<pid_t, std::size_t>> owed;  // from, to -> an edge
  for (std::size_t i = 0; i < graph.edges.size(); ++i) {
    const GraphWait& from = graph.waits[graph.edges[i].from];
    if (graph.edges[i].answer != Answer::kOwes || from.wait.watches || from.pid == graph.edges[i].to) continue;
    owed[from.pid].emplace(graph.edges[i].to, i);
  }
  std::set<WaitCycle> known;
  for (const auto& [start, next] : owed) {
    WaitCycle ring = ring_through(start, graph, owed);
    if (ring.empty()) continue;
    const auto pid_of = [&](std::size_t edge) { return graph.waits[graph.edges[edge].from].pid; };
    std::rotate(
        ring.begin(),
        std::min_element(ring.begin(), ring.end(), [&](std::size_t a, std::size_t b) { return pid_of(a) < pid_of(b); }),
        ring.end());
    if (known.insert(ring).second) graph.cycles.push_back(std::move(ring));
  }
}

}  // namespace

const char* answer_name(Answer answer) {
  switch (answer) {
    case Answer::kOwes:
      return "owes";
    case Answer::kWaitsToo:
      return "waits_too";
    case Answer::kMoving:
      return "moving";
    case Answer::kUnknown:
      break;
  }
  return "unknown";
}

void connect_waits(WaitGraph& graph) {
  graph.edges.clear();
  graph.cycles.clear();
  std::map<OpenFile, std::vector<std::size_t>> waits_at;
  for (std::size_t i = 0; i < graph.waits.size(); ++i) {
    waits_at[{graph.waits[i].pid, graph.waits[i].wait.fd}].push_back(i);
  }
  for (std::size_t i = 0; i < graph.waits.size(); ++i) {
    for (const trace::PeerProcess& peer : graph.waits[i].wait.peer_processes) {
      WaitEdge edge{.from = i, .to = peer.pid, .to_comm = peer.comm, .to_fd = peer.fd};
      if (const auto there = waits_at.find({peer.pid, peer.fd}); there != waits_at.end()) edge.there = there->second;
      edge.answer = answer_of(graph, graph.waits[i].wait, edge);
      graph.edges.push_back(std::move(edge));
    }
  }
  find_cycles(graph);
}

Result<WaitGraph> read_wait_graph(const std::vector<pid_t>& pids, bool follow) {
  WaitGraph graph;
  std::deque<pid_t> todo(pids.begin(), pids.end());
  std::set<pid_t> known(pids.begin(), pids.end());
  while (!todo.empty()) {
    if (graph.processes.size() == kMostProcesses) {
      graph.truncated = true;
      break;
    }
    const pid_t pid = todo.front();
    todo.pop_front();
    const bool asked = graph.processes.size() < pids.size();
    auto read = probes::read_waits(pid);
    if (!read && asked) return std::move(read).error();
    GraphProcess& process = graph.processes.emplace_back(GraphProcess{.pid = pid, .asked = asked});
    if (!read) {
      process.error = read.error().message();
      continue;
    }
    process.comm = read->comm;
    process.runtime = read->runtime;
    process.runtime_version = read->runtime_version;
    for (probes::DescriptorWait& wait : read->waits) {
      for (const trace::PeerProcess& peer : wait.peer_processes) {
        if (follow && known.insert(peer.pid).second) todo.push_back(peer.pid);
      }
      graph.waits.push_back({.pid = pid, .wait = std::move(wait)});
    }
  }
  // What nobody holds the other end of (a listener, a connection to another machine) waits for no process.
  connect_waits(graph);
  return graph;
}

}  // namespace netpoll::cli
