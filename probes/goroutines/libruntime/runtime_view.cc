// Decodes the records of the debug ABI.
#include "probes/goroutines/libruntime/runtime_view.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <initializer_list>

#include "probes/goroutines/libruntime/record_table.h"

namespace netpoll::probes {
namespace {

// What a counter table may claim.
constexpr std::uint32_t kMaxCounterBlocks = 1 << 14;
constexpr std::uint32_t kMaxCounterStride = 1 << 16;
constexpr std::uint32_t kMaxTracepoints = 1024;

// Text of a fixed array that the target filled: ends at the first NUL or with the array.
template <std::size_t N>
std::string text_of(const char (&array)[N]) {
  return std::string(array, strnlen(array, N));
}

struct FieldAt {
  std::uint32_t offset;
  std::uint32_t width;
};

// Where the last field ends; 0 when an offset lies beyond any record.
std::uint32_t end_of_fields(std::initializer_list<FieldAt> fields) {
  std::uint32_t end = 0;
  for (const FieldAt& f : fields) {
    if (f.offset > RecordTable::kMaxStride - f.width) return 0;
    end = std::max(end, f.offset + f.width);
  }
  return end;
}

std::uint32_t end_of_g(const debug::GLayout& g) {
  return end_of_fields({{g.goid, 8},
                        {g.status, 4},
                        {g.wait_reason, 4},
                        {g.park_seq, 8},
                        {g.wait_since, 8},
                        {g.wait_pd, 4},
                        {g.wait_mode, 4},
                        {g.parent_goid, 8},
                        {g.start_pc, 8},
                        {g.created_pc, 8},
                        {g.stack_lo, 8},
                        {g.stack_hi, 8},
                        {g.saved_sp, 8},
                        {g.labels, 4}});
}

std::uint32_t end_of_pd(const debug::PdLayout& pd) {
  return end_of_fields({{pd.fd, 4}, {pd.seq, 4}, {pd.rg, 8}, {pd.wg, 8}, {pd.rd, 8}, {pd.wd, 8}, {pd.flags, 4}});
}

// Without what the target's version does not have yet.
debug::DebugRoot known_fields(debug::DebugRoot root) {
  if (root.abi_minor < 1) {
    root.g.saved_frame = 0;
    root.g.labels = 0;
  }
  return root;
}

}  // namespace

RuntimeView::RuntimeView(Memory& memory, std::uint64_t address, const debug::DebugRoot& root)
    : memory_(&memory),
      address_(address),
      root_(known_fields(root)),
      version_(text_of(root.runtime_version)),
      g_end_(end_of_g(root.g)),
      pd_end_(end_of_pd(root.pd)) {}

Result<RuntimeView> RuntimeView::open(Memory& memory, std::uint64_t address) {
  auto root = memory.read_value<debug::DebugRoot>(address);
  if (!root) return std::move(root).error();
  if (std::memcmp(root->magic, debug::kMagic, sizeof(root->magic)) != 0) {
    return Error(ErrorKind::kNotSupported, "no debug ABI where the ELF note points to");
  }
  if (root->abi_major != debug::kAbiMajor) {
    return Error(ErrorKind::kNotSupported, "the target's debug ABI is version " + std::to_string(root->abi_major) +
                                               "." + std::to_string(root->abi_minor) + ", this tool reads version " +
                                               std::to_string(debug::kAbiMajor))
        .with_hint("use the netpoll-trace that belongs to libruntime " + text_of(root->runtime_version));
  }
  if (root->root_size < sizeof(debug::DebugRoot)) {
    return abi_nonsense("a root of " + std::to_string(root->root_size) + " bytes");
  }
  if (root->tp_count > kMaxTracepoints) return abi_nonsense(std::to_string(root->tp_count) + " tracepoints");
  RuntimeView view(memory, address, *root);
  if (view.g_end_ == 0 || view.pd_end_ == 0) return abi_nonsense("a field beyond the end of its record");
  return view;
}

Result<std::vector<std::uint64_t>> RuntimeView::slots() const {
  std::vector<std::uint64_t> slots(debug::kMaxRuntimes);
  const auto at = address_ + offsetof(debug::DebugRoot, runtimes);
  if (auto r = memory_->read(at, slots.data(), slots.size() * sizeof(slots[0])); !r) return std::move(r).error();
  std::erase(slots, 0);
  return slots;
}

Result<std::optional<RuntimeInfo>> RuntimeView::read_runtime(std::uint64_t address) const {
  debug::DebugRuntime raw;
  ReadPiece piece{.address = address, .into = &raw, .size = sizeof(raw)};
  if (auto r = memory_->read_batch({&piece, 1}); !r) return std::move(r).error();
  if (!piece.done) return std::optional<RuntimeInfo>{};
  // Before minor 1 it ended with the rings, which were never written.
  if (raw.size == offsetof(debug::DebugRuntime, record_until)) raw.rings = raw.record_until = 0;
  if (raw.size < offsetof(debug::DebugRuntime, record_until))
    return abi_nonsense("a runtime description of " + std::to_string(raw.size) + " bytes");
  return std::optional(RuntimeInfo{.address = address,
                                   .name = text_of(raw.name),
                                   .procs = raw.procs,
                                   .poll_mode = raw.poll_mode,
                                   .trigger = raw.trigger,
                                   .epfd = raw.epfd,
                                   .gs = raw.gs,
                                   .pds = raw.pds,
                                   .counters = raw.counters,
                                   .counter_blocks = raw.counter_blocks,
                                   .counter_stride = raw.counter_stride,
                                   .coarse_now = raw.coarse_now,
                                   .rings = raw.rings,
                                   .ring_count = raw.ring_count,
                                   .ring_stride = raw.ring_stride,
                                   .record_until = raw.record_until});
}

Result<std::vector<RuntimeInfo>> RuntimeView::runtimes() const {
  auto published = slots();
  if (!published) return std::move(published).error();
  std::vector<RuntimeInfo> result;
  for (const std::uint64_t address : *published) {
    auto runtime = read_runtime(address);
    // One that is being destroyed may look like anything; only what is still published counts.
    auto now = slots();
    if (!now) return std::move(now).error();
    if (std::find(now->begin(), now->end(), address) == now->end()) continue;
    if (!runtime) return std::move(runtime).error();
    if (!runtime->has_value()) return abi_nonsense("a runtime description that is not readable");
    result.push_back(std::move(**runtime));
  }
  return result;
}

Result<bool> RuntimeView::still_published(const RuntimeInfo& runtime) const {
  auto now = slots();
  if (!now) return std::move(now).error();
  return std::find(now->begin(), now->end(), runtime.address) != now->end();
}

GRecord RuntimeView::decode_g(std::uint64_t index, std::span<const std::byte> r) const {
  const debug::GLayout& at = root_.g;
  return {.index = index,
          .goid = field<std::uint64_t>(r, at.goid),
          .status = static_cast<GStatus>(field<std::uint32_t>(r, at.status)),
          .wait_reason = static_cast<WaitReason>(field<std::uint32_t>(r, at.wait_reason)),
          .park_seq = field<std::uint64_t>(r, at.park_seq),
          .wait_since = field<std::int64_t>(r, at.wait_since),
          .wait_pd = field<std::uint32_t>(r, at.wait_pd),
          .wait_mode = field<std::uint32_t>(r, at.wait_mode),
          .parent_goid = field<std::uint64_t>(r, at.parent_goid),
          .start_pc = field<std::uint64_t>(r, at.start_pc),
          .created_pc = field<std::uint64_t>(r, at.created_pc),
          .stack_lo = field<std::uint64_t>(r, at.stack_lo),
          .stack_hi = field<std::uint64_t>(r, at.stack_hi),
          .saved_sp = field<std::uint64_t>(r, at.saved_sp),
          .labels_below = at.labels != 0 ? field<std::uint32_t>(r, at.labels) : 0};
}

PdRecord RuntimeView::decode_pd(std::uint64_t index, std::span<const std::byte> r) const {
  const debug::PdLayout& at = root_.pd;
  return {.index = index,
          .fd = field<std::int32_t>(r, at.fd),
          .seq = field<std::uint32_t>(r, at.seq),
          .rg = field<std::uint64_t>(r, at.rg),
          .wg = field<std::uint64_t>(r, at.wg),
          .rd = field<std::int64_t>(r, at.rd),
          .wd = field<std::int64_t>(r, at.wd),
          .flags = field<std::uint32_t>(r, at.flags)};
}

Result<std::vector<GRecord>> RuntimeView::read_gs(const RuntimeInfo& runtime) const {
  auto table = RecordTable::open(*memory_, runtime.gs, g_end_);
  if (!table) return std::move(table).error();
  std::vector<GRecord> result;
  auto done = table->read_all([&](std::uint64_t index, std::span<const std::byte> record) {
    const GRecord g = decode_g(index, record);
    if (g.holds_goroutine()) result.push_back(g);
  });
  if (!done) return std::move(done).error();
  return result;
}

Result<std::vector<GRecord>> RuntimeView::read_gs(const RuntimeInfo& runtime,
                                                  std::span<const std::uint64_t> indices) const {
  auto table = RecordTable::open(*memory_, runtime.gs, g_end_);
  if (!table) return std::move(table).error();
  std::vector<GRecord> result;
  auto done = table->read_some(indices, [&](std::uint64_t index, std::span<const std::byte> record) {
    result.push_back(decode_g(index, record));
  });
  if (!done) return std::move(done).error();
  return result;
}

Result<std::vector<PdRecord>> RuntimeView::read_pds(const RuntimeInfo& runtime,
                                                    std::span<const std::uint64_t> indices) const {
  auto table = RecordTable::open(*memory_, runtime.pds, pd_end_);
  if (!table) return std::move(table).error();
  std::vector<PdRecord> result;
  auto done = table->read_some(indices, [&](std::uint64_t index, std::span<const std::byte> record) {
    result.push_back(decode_pd(index, record));
  });
  if (!done) return std::move(done).error();
  return result;
}

std::size_t RuntimeView::known_rows() const { return std::min<std::size_t>(root_.tp_count, trace::kTpCount); }

Result<TracepointCounts> RuntimeView::counters(const RuntimeInfo& runtime) const {
  const std::size_t rows = known_rows();
  if (runtime.counter_blocks > kMaxCounterBlocks || runtime.counter_stride > kMaxCounterStride ||
      runtime.counter_stride < rows * sizeof(std::uint64_t)) {
    return abi_nonsense(std::to_string(runtime.counter_blocks) + " counter blocks of " +
                        std::to_string(runtime.counter_stride) + " bytes");
  }
  TracepointCounts sum{};
  if (rows == 0) return sum;
  std::vector<TracepointCounts> blocks(runtime.counter_blocks);
  std::vector<ReadPiece> pieces;
  for (std::uint32_t i = 0; i < runtime.counter_blocks; ++i) {
    pieces.push_back({.address = runtime.counters + std::uint64_t{runtime.counter_stride} * i,
                      .into = blocks[i].data(),
                      .size = rows * sizeof(std::uint64_t)});
  }
  if (auto r = memory_->read_batch(pieces); !r) return std::move(r).error();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (!pieces[i].done) return abi_nonsense("counters that are not readable");
    for (std::size_t row = 0; row < rows; ++row) sum[row] += blocks[i][row];
  }
  return sum;
}

}  // namespace netpoll::probes
