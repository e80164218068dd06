// Asks the images one by one, where each says it in a section of its own.
#include <algorithm>

#include "probes/goroutines/libruntime/debug_root.h"

namespace netpoll::probes {

Result<std::vector<std::uint64_t>> find_debug_roots(Memory& memory, const std::vector<Mapping>& mappings) {
  std::vector<std::uint64_t> roots;
  for (const Mapping& image : mappings) {
    auto root = debug_root_of_image(memory, image);
    if (!root) return std::move(root).error();
    if (*root != 0 && std::find(roots.begin(), roots.end(), *root) == roots.end()) roots.push_back(*root);
  }
  return roots;
}

}  // namespace netpoll::probes
