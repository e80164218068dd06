// Copies stacks and labels in batches, and looks into the copies.
#include "probes/goroutines/libruntime/stack_reader.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "netpoll/debug/abi.h"

namespace netpoll::probes {
namespace {

// Most parked goroutines use a page or less. The rest of a deep stack is fetched only where its frames lead there.
constexpr std::uint64_t kFirstCopy = 4 * 1024;
// More than nearly all need, for those that cannot be asked again.
constexpr std::uint64_t kOnlyCopy = 32 * 1024;
// What is copied of one stack at most, and of one goroutine's labels.
constexpr std::uint64_t kMaxStack = 1 << 20;
constexpr std::uint32_t kMaxLabelBytes = 128 * 1024;
constexpr std::size_t kBatch = 256;

// Whether its registers lie on its stack.
bool is_switched_out(const GRecord& g) { return g.status == GStatus::kWaiting || g.status == GStatus::kRunnable; }

// Whether its function will be called anew, on a stack that it will get then (libruntime's when_readable.h).
bool is_at_rest(const GRecord& g) { return is_switched_out(g) && g.saved_sp == 0; }

// Where the copy of a stack begins.
std::uint64_t copied_from(const GRecord& g, const ThreadRegisters* running) {
  return running != nullptr ? running->sp : g.saved_sp;
}

// Why the stack of g is not to be had; empty: it may be.
std::string_view obstacle(const GRecord& g, const ThreadRegisters* running) {
  if (running == nullptr && !is_switched_out(g)) return "it runs";
  const std::uint64_t sp = copied_from(g, running);
  if (sp < g.stack_lo || sp >= g.stack_hi || sp % 8 != 0) return "its stack pointer lies outside of its stack";
  return {};
}

template <typename Map>
const ThreadRegisters* find_in(const Map& running, std::size_t i) {
  const auto found = running.find(i);
  return found == running.end() ? nullptr : &found->second;
}

}  // namespace

Result<std::vector<StackRecord>> StackReader::read(std::span<const GRecord> gs) {
  std::vector<StackRecord> records;
  records.reserve(gs.size());
  for (std::size_t at = 0; at < gs.size(); at += kBatch) {
    const auto some = gs.subspan(at, std::min(kBatch, gs.size() - at));
    const auto copies = copy(some, kFirstCopy);
    if (!copies) return copies.error();
    auto read = look_into(some, *copies);
    if (auto r = read_deep(some, *copies, read); !r) return std::move(r).error();
    std::move(read.begin(), read.end(), std::back_inserter(records));
  }
  return records;
}

Result<StackCopies> StackReader::copy(std::span<const GRecord> gs) { return copy(gs, kOnlyCopy); }

Result<StackCopies> StackReader::copy(std::span<const GRecord> gs, std::uint64_t most_of_each) {
  StackCopies copies;
  copies.stacks.resize(gs.size());
  if (stacks_) {
    if (auto r = copy_stacks(gs, most_of_each, copies); !r) return std::move(r).error();
  }
  if (auto r = copy_labels(gs, copies); !r) return std::move(r).error();
  return copies;
}

Result<void> StackReader::copy_stacks(std::span<const GRecord> gs, std::uint64_t most_of_each,
                                      StackCopies& copies) const {
  copies.running = registers_of_running(gs);
  std::vector<ReadPiece> pieces;
  std::vector<std::size_t> owners;
  std::size_t total = 0;
  for (std::size_t i = 0; i < gs.size(); ++i) {
    const ThreadRegisters* running = find_in(copies.running, i);
    if (!obstacle(gs[i], running).empty()) continue;
    const std::uint64_t from = copied_from(gs[i], running);
    pieces.push_back({.address = from, .into = nullptr, .size = std::min(most_of_each, gs[i].stack_hi - from)});
    owners.push_back(i);
    total += pieces.back().size;
  }
  copies.slab = std::make_unique_for_overwrite<std::byte[]>(total);
  std::byte* into = copies.slab.get();
  for (ReadPiece& piece : pieces) {
    piece.into = into;
    into += piece.size;
  }
  if (auto r = view_.memory().read_batch(pieces); !r) return r;
  for (std::size_t k = 0; k < pieces.size(); ++k) {
    if (pieces[k].done) copies.stacks[owners[k]] = {static_cast<const std::byte*>(pieces[k].into), pieces[k].size};
  }
  // A copy belongs to registers that are the same before and after it.
  if (copies.running.empty()) return {};
  const auto again = registers_of_running(gs);
  std::erase_if(copies.running, [&](const auto& entry) {
    const ThreadRegisters* now = find_in(again, entry.first);
    return now == nullptr || *now != entry.second;
  });
  return {};
}

// Of goroutines that run a thread of the target's is on their stacks.
std::unordered_map<std::size_t, ThreadRegisters> StackReader::registers_of_running(std::span<const GRecord> gs) const {
  std::unordered_map<std::size_t, ThreadRegisters> found;
  if (std::all_of(gs.begin(), gs.end(), is_switched_out)) return found;
  for (const pid_t tid : subject_.threads()) {
    const auto registers = subject_.thread_registers(tid);
    if (!registers) continue;
    const auto g = std::find_if(gs.begin(), gs.end(), [&](const GRecord& candidate) {
      return !is_switched_out(candidate) && registers->sp >= candidate.stack_lo && registers->sp < candidate.stack_hi;
    });
    if (g != gs.end()) found.emplace(g - gs.begin(), *registers);
  }
  return found;
}

symbols::Unwound StackReader::unwind(const GRecord& g, const ThreadRegisters* running,
                                     std::span<const std::byte> stack) const {
  const bool whole = stack.size() == g.stack_hi - copied_from(g, running);
  if (running == nullptr) return symbols::unwind(code_, view_.saved_frame(), g.saved_sp, stack, whole);
  const symbols::RunningRegisters registers{.pc = running->pc, .sp = running->sp, .others = running->kept};
  return symbols::unwind_running(code_, view_.saved_frame(), registers, stack, whole);
}

std::vector<StackRecord> StackReader::look_into(std::span<const GRecord> gs, const StackCopies& copies) const {
  std::vector<StackRecord> records(gs.size());
  for (std::size_t i = 0; stacks_ && i < gs.size(); ++i) {
    symbols::Unwound& unwound = records[i].unwound;
    const auto stack = copies.stacks[i];
    if (unwound.at_start = is_at_rest(gs[i]); unwound.at_start) continue;
    const ThreadRegisters* running = find_in(copies.running, i);
    unwound.ends_early = obstacle(gs[i], running);
    if (unwound.ends_early.empty() && stack.empty()) unwound.ends_early = "its stack could not be read";
    if (unwound.ends_early.empty()) unwound = unwind(gs[i], running, stack);
  }
  for (const StackCopies::Labels& labels : copies.labels) {
    records[labels.owner].labels = decode_labels(labels.count, labels.bytes);
  }
  return records;
}

// Of those whose frames lead out of their copies.
Result<void> StackReader::read_deep(std::span<const GRecord> gs, const StackCopies& copies,
                                    std::vector<StackRecord>& records) const {
  for (std::size_t i = 0; i < gs.size(); ++i) {
    symbols::Unwound& unwound = records[i].unwound;
    const ThreadRegisters* running = find_in(copies.running, i);
    if (unwound.ends_early.empty() || copies.stacks[i].empty() || !obstacle(gs[i], running).empty()) continue;
    const std::uint64_t from = copied_from(gs[i], running);
    const std::uint64_t size = gs[i].stack_hi - from;
    if (copies.stacks[i].size() == size) continue;
    std::vector<std::byte> deep(std::min(size, kMaxStack));
    ReadPiece piece{.address = from, .into = deep.data(), .size = deep.size()};
    if (auto r = view_.memory().read_batch({&piece, 1}); !r) return r;
    if (piece.done) unwound = unwind(gs[i], running, deep);
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

namespace {

// Where a goroutine says that its labels are, and how they begin.
struct FoundLabels {
  std::size_t owner = 0;
  std::uint64_t address = 0;
  debug::LabelSet head{};
  bool good = false;  // a set that is freed no longer says its own address

  std::uint32_t size() const { return head.bytes - head.first; }
};

// Fills in all but the owners.
Result<void> read_heads(Memory& memory, std::span<const GRecord> gs, std::vector<FoundLabels>& found) {
  std::vector<ReadPiece> where;
  for (FoundLabels& labels : found) {
    const GRecord& g = gs[labels.owner];
    where.push_back({.address = g.stack_hi - g.labels_below, .into = &labels.address, .size = sizeof(labels.address)});
  }
  if (auto r = memory.read_batch(where); !r) return r;
  std::vector<ReadPiece> what;
  std::vector<std::size_t> owners;
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i].good = false;
    if (!where[i].done) continue;
    what.push_back({.address = found[i].address, .into = &found[i].head, .size = sizeof(found[i].head)});
    owners.push_back(i);
  }
  if (auto r = memory.read_batch(what); !r) return r;
  for (std::size_t k = 0; k < what.size(); ++k) {
    FoundLabels& labels = found[owners[k]];
    labels.good = what[k].done && labels.head.self == labels.address && labels.head.first >= sizeof(labels.head) &&
                  labels.head.first <= labels.head.bytes && labels.head.bytes <= kMaxLabelBytes;
  }
  return {};
}

}  // namespace

Result<void> StackReader::copy_labels(std::span<const GRecord> gs, StackCopies& copies) {
  std::vector<FoundLabels> found;
  for (std::size_t i = 0; i < gs.size(); ++i) {
    if (gs[i].labels_below != 0 && gs[i].labels_below <= gs[i].stack_hi) found.push_back({.owner = i});
  }
  if (found.empty()) return {};
  Memory& memory = view_.memory();
  if (auto r = read_heads(memory, gs, found); !r) return r;
  std::erase_if(found, [](const FoundLabels& labels) { return !labels.good; });

  std::vector<StackCopies::Labels> copied(found.size());
  std::vector<ReadPiece> pieces;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::uint32_t size = found[i].size();
    if (size > label_bytes_left_) {
      labels_left_out_ = true;
      found.resize(i);
      break;
    }
    label_bytes_left_ -= size;
    copied[i] = {.owner = found[i].owner, .count = found[i].head.count, .bytes = std::vector<std::byte>(size)};
    pieces.push_back({.address = found[i].address + found[i].head.first, .into = copied[i].bytes.data(), .size = size});
  }
  if (auto r = memory.read_batch(pieces); !r) return r;

  // A goroutine that runs may change its labels under our hands.
  std::vector<FoundLabels> again = found;
  if (auto r = read_heads(memory, gs, again); !r) return r;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!pieces[i].done || !again[i].good || again[i].address != found[i].address) continue;
    copies.labels.push_back(std::move(copied[i]));
  }
  return {};
}

}  // namespace netpoll::probes
