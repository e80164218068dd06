// Copies stacks in batches and unwinds each; follows the labels.
#include "probes/goroutines/libruntime/stack_reader.h"

#include <algorithm>
#include <cstring>

#include "netpoll/debug/abi.h"

namespace netpoll::probes {
namespace {

// Most parked goroutines use a page or less. The rest of a deep stack is fetched only where its frames lead there.
constexpr std::uint64_t kFirstCopy = 4 * 1024;
// What is copied of one stack at most, and of one goroutine's labels.
constexpr std::uint64_t kMaxStack = 1 << 20;
constexpr std::uint32_t kMaxLabelBytes = 128 * 1024;
constexpr std::size_t kBatch = 256;

// Whether its registers lie on its stack.
bool is_switched_out(const GRecord& g) { return g.status == GStatus::kWaiting || g.status == GStatus::kRunnable; }

// Why the stack of g is not to be had; empty: it may be.
std::string_view obstacle(const GRecord& g) {
  if (!is_switched_out(g)) return "it runs";
  if (g.saved_sp < g.stack_lo || g.saved_sp >= g.stack_hi || g.saved_sp % 8 != 0) {
    return "its stack pointer lies outside of its stack";
  }
  return {};
}

}  // namespace

Result<std::vector<StackRecord>> StackReader::read(std::span<const GRecord> gs) const {
  std::vector<StackRecord> records(gs.size());
  for (std::size_t at = 0; at < gs.size(); at += kBatch) {
    const std::size_t count = std::min(kBatch, gs.size() - at);
    const auto some = gs.subspan(at, count);
    const auto into = std::span(records).subspan(at, count);
    if (stacks_) {
      if (auto r = read_stacks(some, into); !r) return std::move(r).error();
    }
    if (auto r = read_labels(some, into); !r) return std::move(r).error();
  }
  return records;
}

Result<void> StackReader::read_stacks(std::span<const GRecord> gs, std::span<StackRecord> records) const {
  std::vector<std::byte> copies(gs.size() * kFirstCopy);
  std::vector<ReadPiece> pieces;
  std::vector<std::size_t> whose;
  for (std::size_t i = 0; i < gs.size(); ++i) {
    records[i].unwound.ends_early = obstacle(gs[i]);
    if (!records[i].unwound.ends_early.empty()) continue;
    pieces.push_back({.address = gs[i].saved_sp,
                      .into = copies.data() + i * kFirstCopy,
                      .size = std::min(kFirstCopy, gs[i].stack_hi - gs[i].saved_sp)});
    whose.push_back(i);
  }
  if (auto r = view_.memory().read_batch(pieces); !r) return r;
  for (std::size_t k = 0; k < pieces.size(); ++k) {
    const GRecord& g = gs[whose[k]];
    symbols::Unwound& unwound = records[whose[k]].unwound;
    if (!pieces[k].done) {
      unwound.ends_early = "its stack could not be read";
      continue;
    }
    const std::uint64_t size = g.stack_hi - g.saved_sp;
    const std::span first(static_cast<const std::byte*>(pieces[k].into), pieces[k].size);
    unwound = symbols::unwind(code_, view_.saved_frame(), g.saved_sp, first, first.size() == size);
    if (unwound.ends_early.empty() || first.size() == size) continue;
    std::vector<std::byte> deep(std::min(size, kMaxStack));
    ReadPiece piece{.address = g.saved_sp, .into = deep.data(), .size = deep.size()};
    if (auto r = view_.memory().read_batch({&piece, 1}); !r) return r;
    if (piece.done) unwound = symbols::unwind(code_, view_.saved_frame(), g.saved_sp, deep, deep.size() == size);
  }
  return {};
}

std::vector<std::pair<std::string, std::string>> decode_labels(std::uint32_t count, std::span<const std::byte> bytes) {
  constexpr std::size_t kSizes = 2 * sizeof(std::uint32_t);
  if (count > bytes.size() / kSizes) return {};
  std::vector<std::pair<std::string, std::string>> labels;
  std::size_t text = count * kSizes;
  const auto take = [&](std::uint32_t size) -> std::optional<std::string> {
    if (size > bytes.size() - text) return std::nullopt;
    std::string taken(reinterpret_cast<const char*>(bytes.data()) + text, size);
    text += size;
    return taken;
  };
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t sizes[2];
    std::memcpy(sizes, bytes.data() + i * kSizes, sizeof(sizes));
    auto key = take(sizes[0]);
    auto value = key ? take(sizes[1]) : std::nullopt;
    if (!value) return {};
    labels.emplace_back(std::move(*key), std::move(*value));
  }
  return labels;
}

Result<void> StackReader::read_labels(std::span<const GRecord> gs, std::span<StackRecord> records) const {
  Memory& memory = view_.memory();
  for (std::size_t i = 0; i < gs.size(); ++i) {
    const GRecord& g = gs[i];
    if (g.labels_below == 0 || g.labels_below > g.stack_hi) continue;
    // A goroutine that runs may change its labels under our hands; a set that is freed no longer says its own address.
    const auto read_head = [&](std::uint64_t& address, debug::LabelSet& head) -> Result<bool> {
      ReadPiece where{.address = g.stack_hi - g.labels_below, .into = &address, .size = sizeof(address)};
      if (auto r = memory.read_batch({&where, 1}); !r) return std::move(r).error();
      if (!where.done) return false;
      ReadPiece what{.address = address, .into = &head, .size = sizeof(head)};
      if (auto r = memory.read_batch({&what, 1}); !r) return std::move(r).error();
      return what.done && head.self == address && head.first >= sizeof(head) && head.first <= head.bytes &&
             head.bytes <= kMaxLabelBytes;
    };
    std::uint64_t address = 0;
    debug::LabelSet head{};
    auto good = read_head(address, head);
    if (!good) return std::move(good).error();
    if (!*good) continue;
    std::vector<std::byte> bytes(head.bytes - head.first);
    ReadPiece rest{.address = address + head.first, .into = bytes.data(), .size = bytes.size()};
    if (auto r = memory.read_batch({&rest, 1}); !r) return r;
    std::uint64_t again = 0;
    auto still = read_head(again, head);
    if (!still) return std::move(still).error();
    if (rest.done && *still && again == address) records[i].labels = decode_labels(head.count, bytes);
  }
  return {};
}

}  // namespace netpoll::probes
