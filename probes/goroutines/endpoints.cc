// Joins goroutines with the descriptors that they wait for.
#include "probes/goroutines/endpoints.h"

#include <vector>

namespace netpoll::probes {

Descriptors add_endpoints(Subject& subject, trace::GoroutineSnapshot& snapshot, Ends ends) {
  std::vector<int> numbers;
  for (const trace::Goroutine& g : snapshot.goroutines) {
    if (g.fd) numbers.push_back(*g.fd);
  }
  if (numbers.empty()) return {};
  Descriptors descriptors = subject.describe(numbers, ends);
  for (trace::Goroutine& g : snapshot.goroutines) {
    const auto found = g.fd ? descriptors.find(*g.fd) : descriptors.end();
    if (found == descriptors.end()) continue;
    const DescriptorInfo& d = found->second;
    g.kind = d.kind;
    g.local = d.local;
    g.peer = d.peer;
    g.tcp_state = d.tcp_state;
    g.recv_queue_bytes = d.recv_queue_bytes;
    g.send_queue_bytes = d.send_queue_bytes;
    if (g.mode) g.socket_idle_ns = *g.mode == trace::IoMode::kRead ? d.recv_idle_ns : d.send_idle_ns;
    g.peer_processes = d.peer_processes;
  }
  return descriptors;
}

}  // namespace netpoll::probes
