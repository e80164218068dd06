// Reads the stretch in pieces that overlap.
#include "probes/goroutines/go/memory_scan.h"

#include <algorithm>
#include <vector>

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kPiece = 1 << 20;
constexpr std::uint64_t kMaxScanned = std::uint64_t{256} << 20;

}  // namespace

Result<void> scan_memory(Memory& memory, const AddressRange& range, std::uint64_t overlap,
                         const std::function<bool(Bytes)>& visit) {
  const std::uint64_t begin = range.begin & ~std::uint64_t{7};
  if (range.end <= begin) return {};
  std::uint64_t left = std::min(range.end - begin, kMaxScanned);
  std::vector<std::byte> piece(std::min(kPiece + overlap, left));
  for (std::uint64_t at = begin;; at += kPiece) {
    const std::uint64_t size = std::min<std::uint64_t>(piece.size(), left);
    auto r = memory.read(at, piece.data(), size);
    if (!r && !r.error().is(ErrorKind::kProtocol)) return r;
    if (r && visit(Bytes(std::span<const std::byte>(piece).first(size)))) return {};
    if (left <= kPiece) return {};
    left -= kPiece;
  }
}

}  // namespace netpoll::probes
