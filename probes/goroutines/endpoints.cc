// Joins goroutines with the descriptors that they wait for.
#include "probes/goroutines/endpoints.h"

#include <vector>

namespace netpoll::probes {

void add_endpoints(Subject& subject, trace::GoroutineSnapshot& snapshot) {
  std::vector<int> numbers;
  for (const trace::Goroutine& g : snapshot.goroutines) {
    if (g.fd) numbers.push_back(*g.fd);
  }
  if (numbers.empty()) return;
  const Descriptors descriptors = subject.describe(numbers);
  for (trace::Goroutine& g : snapshot.goroutines) {
    const auto found = g.fd ? descriptors.find(*g.fd) : descriptors.end();
    if (found == descriptors.end()) continue;
    g.kind = found->second.kind;
    g.local = found->second.local;
    g.peer = found->second.peer;
    g.tcp_state = found->second.tcp_state;
  }
}

}  // namespace netpoll::probes
