// Reads records of a table in as few calls as possible.
#include "probes/goroutines/libruntime/record_table.h"

#include <algorithm>
#include <string>

namespace netpoll::probes {
namespace {

constexpr std::size_t kSlabBytes = 1 << 20;

}  // namespace

Error abi_nonsense(const std::string& what) { return Error(ErrorKind::kProtocol, "debug ABI: " + what); }

Result<RecordTable> RecordTable::open(Memory& memory, const debug::TableRef& ref, std::uint32_t min_stride) {
  if (ref.per_chunk == 0 || ref.stride < min_stride || ref.stride > kMaxStride) {
    return abi_nonsense("a table of " + std::to_string(ref.per_chunk) + " records a chunk, " +
                        std::to_string(ref.stride) + " bytes each");
  }
  auto count = memory.read_value<std::uint64_t>(ref.count);
  if (!count) return std::move(count).error();
  if (*count > kMaxRecords) return abi_nonsense("a table of " + std::to_string(*count) + " records");
  std::vector<std::uint64_t> chunks((*count + ref.per_chunk - 1) / ref.per_chunk);
  if (!chunks.empty()) {
    if (auto r = memory.read(ref.chunks, chunks.data(), chunks.size() * sizeof(chunks[0])); !r) {
      return std::move(r).error();
    }
  }
  return RecordTable(memory, ref, *count, std::move(chunks));
}

Result<void> RecordTable::read_all(const Visit& visit) const {
  // Records of a chunk lie side by side, so a piece holds many.
  const std::uint64_t per_piece = std::max<std::uint64_t>(1, kSlabBytes / ref_.stride);
  std::vector<std::byte> slab(per_piece * ref_.stride);
  for (std::uint64_t first = 0; first < count_;) {
    std::vector<ReadPiece> pieces;
    std::uint64_t held = 0;
    while (held < per_piece && first + held < count_) {
      const std::uint64_t index = first + held;
      const std::uint64_t left_in_chunk = ref_.per_chunk - index % ref_.per_chunk;
      const std::uint64_t n = std::min({left_in_chunk, per_piece - held, count_ - index});
      pieces.push_back({.address = address(index), .into = slab.data() + held * ref_.stride, .size = n * ref_.stride});
      held += n;
    }
    if (auto r = memory_->read_batch(pieces); !r) return r;
    if (!std::all_of(pieces.begin(), pieces.end(), [](const ReadPiece& p) { return p.done; })) {
      return abi_nonsense("a table's records are not readable");
    }
    for (std::uint64_t i = 0; i < held; ++i) visit(first + i, std::span(slab).subspan(i * ref_.stride, ref_.stride));
    first += held;
  }
  return {};
}

Result<void> RecordTable::read_some(std::span<const std::uint64_t> indices, const Visit& visit) const {
  const std::size_t per_round = std::max<std::size_t>(1, kSlabBytes / ref_.stride);
  std::vector<std::byte> slab(std::min(per_round, indices.size()) * ref_.stride);
  std::vector<ReadPiece> pieces;
  std::vector<std::uint64_t> held;
  for (std::size_t next = 0; next < indices.size();) {
    pieces.clear();
    held.clear();
    for (; next < indices.size() && held.size() < per_round; ++next) {
      if (indices[next] >= count_) continue;
      pieces.push_back(
          {.address = address(indices[next]), .into = slab.data() + held.size() * ref_.stride, .size = ref_.stride});
      held.push_back(indices[next]);
    }
    if (auto r = memory_->read_batch(pieces); !r) return r;
    for (std::size_t i = 0; i < held.size(); ++i) {
      if (pieces[i].done) visit(held[i], std::span(slab).subspan(i * ref_.stride, ref_.stride));
    }
  }
  return {};
}

}  // namespace netpoll::probes
