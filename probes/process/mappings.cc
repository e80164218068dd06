// What is asked of mappings wherever they come from.
#include "probes/process/mappings.h"

namespace netpoll::probes {

const Mapping* find_mapping(const std::vector<Mapping>& mappings, std::uint64_t address) {
  for (const Mapping& m : mappings) {
    if (m.start <= address && address < m.end) return &m;
  }
  return nullptr;
}

}  // namespace netpoll::probes
