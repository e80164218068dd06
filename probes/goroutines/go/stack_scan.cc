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

std::vector<std::optional<PollWait>> StackScan::find_at(std::span<const StackOfWaiter> waiters, std::uint64_t offset) {
  std::vector<std::uint64_t> addresses;  // two for each
  for (const StackOfWaiter& w : waiters) {
    const std::uint64_t half = pointer_at(w, offset).value_or(0);
    addresses.push_back(half != 0 ? half - layout_.rg : 0);
    addresses.push_back(half != 0 ? half - layout_.wg : 0);
  }
  const auto descs = read_poll_descs(memory_, layout_, addresses);
  std::vector<std::optional<PollWait>> found(waiters.size());
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    if (descs[2 * i] && waits_in(waiters[i], *descs[2 * i], trace::IoMode::kRead)) {
      found[i] = PollWait{.desc = *descs[2 * i], .mode = trace::IoMode::kRead};
    } else if (descs[2 * i + 1] && waits_in(waiters[i], *descs[2 * i + 1], trace::IoMode::kWrite)) {
      found[i] = PollWait{.desc = *descs[2 * i + 1], .mode = trace::IoMode::kWrite};
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
