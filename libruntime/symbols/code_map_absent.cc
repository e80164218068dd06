// CodeMap in a build without libdw: stacks end at their first address, and nothing has a name.
#include "libruntime/symbols/code_map.h"

namespace netpoll::symbols {

struct CodeMap::Files {};

CodeMap::CodeMap(FindImage find) : find_(std::move(find)) {}
CodeMap::~CodeMap() = default;

const char* CodeMap::missing() { return "this build is without libdw: no names, and no stacks of libruntime"; }

const CfiRow* CodeMap::cfi_row(std::uint64_t /*address*/) { return nullptr; }

const std::vector<trace::Frame>& CodeMap::frames_at(std::uint64_t address) {
  return frames_.try_emplace(address, 1).first->second;
}

}  // namespace netpoll::symbols
