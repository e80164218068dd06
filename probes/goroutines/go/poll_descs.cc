// Decodes the data words of registrations, and reads the pollDescs that they lead to.
#include "probes/goroutines/go/poll_descs.h"

#include <algorithm>
#include <array>
#include <memory>

namespace netpoll::probes {
namespace {

constexpr std::size_t kSample = 16;
constexpr std::uint64_t kFirstAddress = 4096;

// The pointer's bits in a data word: shifted right by `tag`, with its sign, then left by `zeros`.
struct Packing {
  unsigned tag;
  unsigned zeros;
};
constexpr std::array<Packing, 4> kPackings = {{
    {0, 0},   // until 1.20: the pointer itself
    {19, 3},  // 1.21 to 1.24: a pointer of 48 bits to 8 bytes
    {24, 9},  // since 1.25: of 49 bits, to 512 bytes
    {25, 9},  // the same with 48 bits
}};

std::uint64_t unpacked(std::uint64_t data, const Packing& packing) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(data) >> packing.tag) << packing.zeros;
}

// The pollDescs that the registrations point to by one packing; nothing where none is.
std::vector<std::optional<PollDescRecord>> decoded(Memory& memory, const PollDescLayout& layout,
                                                   std::span<const Registration> registrations,
                                                   const Packing& packing) {
  std::vector<std::uint64_t> addresses;
  for (const Registration& r : registrations) addresses.push_back(unpacked(r.data, packing));
  auto found = read_poll_descs(memory, layout, addresses);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] && found[i]->fd != registrations[i].fd) found[i].reset();
  }
  return found;
}

// Tries every packing on a few, since each address that is none costs a system call.
const Packing* find_packing(Memory& memory, const PollDescLayout& layout, std::span<const Registration> registrations) {
  const auto sample = registrations.first(std::min(kSample, registrations.size()));
  for (const Packing& packing : kPackings) {
    for (const auto& desc : decoded(memory, layout, sample, packing)) {
      if (desc) return &packing;
    }
  }
  return nullptr;
}

}  // namespace

std::optional<PollDescRecord> parse_poll_desc(std::uint64_t address, Bytes bytes, const PollDescLayout& layout) {
  if (bytes.size() < layout.bytes) return std::nullopt;
  const auto word = [&](std::uint64_t offset) { return bytes.at<std::uint64_t>(offset).value_or(0); };
  const std::uint64_t fd = word(layout.fd);
  if (word(layout.self) != address || fd >= kMaxFd) return std::nullopt;
  return PollDescRecord{.address = address,
                        .fd = static_cast<int>(fd),
                        .rg = word(layout.rg),
                        .wg = word(layout.wg),
                        .rd = static_cast<std::int64_t>(word(layout.rd)),
                        .wd = static_cast<std::int64_t>(word(layout.wd))};
}

std::vector<std::optional<PollDescRecord>> read_poll_descs(Memory& memory, const PollDescLayout& layout,
                                                           std::span<const std::uint64_t> addresses) {
  std::vector<std::optional<PollDescRecord>> found(addresses.size());
  const auto slab = std::make_unique_for_overwrite<std::byte[]>(addresses.size() * layout.bytes);
  std::vector<ReadPiece> pieces;
  std::vector<std::size_t> owners;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (addresses[i] < kFirstAddress || addresses[i] % 8 != 0) continue;
    pieces.push_back({.address = addresses[i], .into = slab.get() + i * layout.bytes, .size = layout.bytes});
    owners.push_back(i);
  }
  if (!memory.read_batch(pieces)) return found;
  for (std::size_t n = 0; n < pieces.size(); ++n) {
    if (!pieces[n].done) continue;
    const std::size_t i = owners[n];
    const std::span<const std::byte> bytes(slab.get() + i * layout.bytes, layout.bytes);
    found[i] = parse_poll_desc(addresses[i], Bytes(bytes), layout);
  }
  return found;
}

PollSet read_poll_set(Subject& subject, const PollDescLayout& layout) {
  PollSet set;
  (void)subject.each_epoll_descriptor([&](int epfd) {
    const auto registrations = subject.registrations(epfd);
    if (!registrations) return true;
    set.readable = true;
    const Packing* packing = find_packing(subject.memory(), layout, *registrations);
    if (packing == nullptr) return true;
    set.epfd = epfd;
    for (const Registration& r : *registrations) {
      set.entries.push_back({.desc = unpacked(r.data, *packing), .fd = r.fd, .inode = r.inode});
    }
    // Neighbours in memory are read together.
    std::sort(set.entries.begin(), set.entries.end(), [](const auto& a, const auto& b) { return a.desc < b.desc; });
    return false;
  });
  return set;
}

std::vector<std::optional<PollDescRecord>> read_poll_descs(Memory& memory, const PollDescLayout& layout,
                                                           const PollSet& set) {
  std::vector<std::uint64_t> addresses;
  addresses.reserve(set.entries.size());
  for (const PollSet::Entry& entry : set.entries) addresses.push_back(entry.desc);
  return read_poll_descs(memory, layout, addresses);
}

std::unordered_map<std::uint64_t, PollWait> poll_waits(const PollSet& set,
                                                       std::span<const std::optional<PollDescRecord>> descs) {
  std::unordered_map<std::uint64_t, PollWait> waits;
  for (std::size_t i = 0; i < descs.size(); ++i) {
    if (!descs[i] || descs[i]->fd != set.entries[i].fd) continue;
    for (const trace::IoMode mode : {trace::IoMode::kRead, trace::IoMode::kWrite}) {
      const std::uint64_t g = descs[i]->waiter(mode);
      if (g >= kFirstAddress)
        waits.emplace(g, PollWait{.desc = *descs[i], .mode = mode, .inode = set.entries[i].inode});
    }
  }
  return waits;
}

}  // namespace netpoll::probes
