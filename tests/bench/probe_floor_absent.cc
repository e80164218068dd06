// In place of probe_floor.cc where BPF cannot be built.
#include "tests/bench/probe_floor.h"

namespace netpoll::bench {

std::unique_ptr<probes::Source> make_floor_source(const probes::SourceOptions&) { return nullptr; }

}  // namespace netpoll::bench
