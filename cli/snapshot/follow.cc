// Reads the waits of peer processes, each once.
#include "cli/snapshot/follow.h"

#include <map>
#include <optional>

#include "cli/graph/wait_graph.h"
#include "probes/goroutines/waits.h"

namespace netpoll::cli {

void follow_peers(trace::GoroutineSnapshot& snapshot, const GoroutineFilter& filter) {
  std::map<pid_t, std::optional<probes::ProcessWaits>> processes;
  bool too_many = false;
  for (trace::Goroutine& g : snapshot.goroutines) {
    if (g.peer_processes.empty() || !filter.shows(snapshot, g)) continue;
    for (trace::PeerProcess& peer : g.peer_processes) {
      if (processes.size() == kMostProcesses && !processes.contains(peer.pid)) {
        too_many = true;
        continue;
      }
      const auto [entry, is_new] = processes.try_emplace(peer.pid);
      if (is_new) {
        auto read = probes::read_waits(peer.pid);
        if (read) {
          entry->second = std::move(*read);
        } else {
          snapshot.warnings.push_back("not followed: " + read.error().message());
        }
      }
      if (!entry->second) continue;
      auto& waiters = peer.waiters.emplace();
      for (const probes::DescriptorWait& wait : entry->second->waits) {
        if (wait.fd == peer.fd) waiters.push_back(wait.waiter);
      }
    }
  }
  if (too_many) {
    snapshot.warnings.push_back("not all processes were followed: there are more than " +
                                std::to_string(kMostProcesses));
  }
}

}  // namespace netpoll::cli
