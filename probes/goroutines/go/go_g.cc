// Decodes a g by the target's own layout.
#include "probes/goroutines/go/go_g.h"

namespace netpoll::probes {
namespace {

constexpr std::uint32_t kBeingScanned = 0x1000;  // _Gscan
constexpr std::uint64_t kMaxGoid = std::uint64_t{1} << 48;

}  // namespace

bool GoG::same_moment(const GoG& other) const {
  if (goid != other.goid || status != other.status || stack_lo != other.stack_lo || stack_hi != other.stack_hi) {
    return false;
  }
  // While it runs, its saved registers mean nothing.
  if (status == GoStatus::kRunning) return true;
  return sched_sp == other.sched_sp && sched_pc == other.sched_pc && wait_reason == other.wait_reason &&
         syscall_sp == other.syscall_sp && syscall_pc == other.syscall_pc;
}

std::optional<GoG> parse_g(std::uint64_t address, Bytes bytes, const GLayout& layout) {
  if (bytes.size() < layout.bytes) return std::nullopt;
  const auto word = [&](std::uint64_t offset) { return bytes.at<std::uint64_t>(offset).value_or(0); };
  GoG g;
  g.address = address;
  for (const auto field : kGWords) g.*field = word(layout.*field);
  if (layout.parent_goid) g.parent_goid = word(*layout.parent_goid);
  g.wait_reason = bytes.at<std::uint8_t>(layout.wait_reason).value_or(0);
  const std::uint32_t status = bytes.at<std::uint32_t>(layout.status).value_or(~0U) & ~kBeingScanned;
  if (status > kLastGoStatus || g.goid >= kMaxGoid) return std::nullopt;
  if (g.stack_lo >= g.stack_hi && (g.stack_lo != 0 || g.stack_hi != 0)) return std::nullopt;
  g.status = static_cast<GoStatus>(status);
  return g;
}

Result<std::vector<GoG>> read_gs(Memory& memory, const GLayout& layout, std::span<const std::uint64_t> addresses) {
  std::vector<std::byte> slab(addresses.size() * layout.bytes);
  std::vector<ReadPiece> pieces(addresses.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    pieces[i] = {.address = addresses[i], .into = slab.data() + i * layout.bytes, .size = layout.bytes};
  }
  if (auto r = memory.read_batch(pieces); !r) return std::move(r).error();
  std::vector<GoG> found;
  found.reserve(addresses.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].done) continue;
    const std::span<const std::byte> bytes(slab.data() + i * layout.bytes, layout.bytes);
    if (auto g = parse_g(addresses[i], Bytes(bytes), layout)) found.push_back(*g);
  }
  return found;
}

Result<std::vector<bool>> same_moments(Memory& memory, const GLayout& layout, std::span<const GoG* const> gs) {
  std::vector<std::uint64_t> addresses;
  for (const GoG* g : gs) addresses.push_back(g->address);
  auto again = read_gs(memory, layout, addresses);
  if (!again) return std::move(again).error();
  std::vector<bool> same;
  auto next = again->begin();
  for (const GoG* g : gs) {
    const bool readable = next != again->end() && next->address == g->address;
    same.push_back(readable && g->same_moment(*next));
    if (readable) ++next;
  }
  return same;
}

}  // namespace netpoll::probes
