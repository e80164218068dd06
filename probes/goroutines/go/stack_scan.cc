// Looks through the top of a stack for a pollDesc that names its goroutine.
#include "probes/goroutines/go/stack_scan.h"

#include <vector>

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kScanned = 512;
constexpr std::uint64_t kUserEnd = std::uint64_t{1} << 56;
// Searches word by word that one call of find may make.
constexpr int kMaxSearches = 1024;

// The address of the half of a pollDesc, as far as it may be one.
std::optional<std::uint64_t> pointer_at(const StackOfWaiter& waiter, std::uint64_t offset) {
  const auto word = waiter.stack.at<std::uint64_t>(offset);
  if (!word || *word % 8 != 0 || *word < 1 << 16 || *word >= kUserEnd) return std::nullopt;
  if (*word >= waiter.g->stack_lo && *word < waiter.g->stack_hi) return std::nullopt;
  return word;
}

// Whether the goroutine waits in that half, or has been made ready and not run yet.
bool waits_in(const StackOfWaiter& waiter, const PollDescRecord& desc, trace::IoMode mode) {
  const std::uint64_t value = desc.waiter(mode);
  return value == waiter.g->address || (value <= 2 && waiter.in_netpollblock);
}

}  // namespace

// Readers first: most wait to read, and only for the rest is the other half looked at.
std::vector<std::optional<PollWait>> StackScan::find_at(std::span<const StackOfWaiter> waiters, std::uint64_t offset) {
  std::vector<std::optional<PollWait>> found(waiters.size());
  for (const trace::IoMode mode : {trace::IoMode::kRead, trace::IoMode::kWrite}) {
    const std::uint64_t half = mode == trace::IoMode::kRead ? layout_.rg : layout_.wg;
    std::vector<std::uint64_t> addresses;
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < waiters.size(); ++i) {
      const auto pointer = found[i] ? std::nullopt : pointer_at(waiters[i], offset);
      if (!pointer) continue;
      addresses.push_back(*pointer - half);
      owners.push_back(i);
    }
    const auto descs = read_poll_descs(memory_, layout_, addresses);
    for (std::size_t n = 0; n < descs.size(); ++n) {
      if (!descs[n] || !waits_in(waiters[owners[n]], *descs[n], mode)) continue;
      found[owners[n]] = PollWait{.desc = *descs[n], .mode = mode};
    }
  }
  return found;
}

std::optional<PollWait> StackScan::search(const StackOfWaiter& waiter) {
  for (std::uint64_t offset = 0; offset < kScanned; offset += 8) {
    if (!pointer_at(waiter, offset)) continue;
    if (const auto found = find_at({&waiter, 1}, offset).front()) {
      offset_ = offset;
      return found;
    }
  }
  return std::nullopt;
}

std::vector<std::optional<PollWait>> StackScan::find(std::span<const StackOfWaiter> waiters) {
  if (waiters.empty()) return {};
  if (!offset_) (void)search(waiters.front());
  std::vector<std::optional<PollWait>> found(waiters.size());
  if (offset_) found = find_at(waiters, *offset_);
  int searches = 0;
  for (std::size_t i = 0; i < waiters.size() && searches < kMaxSearches; ++i) {
    if (found[i]) continue;
    found[i] = search(waiters[i]);
    ++searches;
  }
  return found;
}

}  // namespace netpoll::probes
