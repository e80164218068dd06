// audit.cc: finds registrations that somebody else's epoll_ctl removed, added or changed, and repairs them.
//
// Nothing tells the owner of an epoll instance about a foreign EPOLL_CTL_DEL: the goroutine simply never wakes (Go
// loses it). But /proc/self/fdinfo/EPFD lists the kernel's view (proc(5)), with our data words, and comparing it with
// the pollDescs costs about 2 µs an entry. So it is done when the runtime falls idle, which is just the state that such
// a lost registration leads to, and for every snapshot.
#include <algorithm>
#include <string>
#include <vector>

#include "libruntime/base/epoll_list.h"
#include "libruntime/poll/netpoll.h"

namespace netpoll::poll {
namespace {

// We registered pd, and nobody closes it; whether the kernel still has it is what the audit finds out.
bool is_registered(const PollDesc& pd) NETPOLL_REQUIRES(pd.lock) {
  return pd.fd.load(std::memory_order_seq_cst) >= 0 &&
         (pd.info.load(std::memory_order_relaxed) & (kInfoRegistered | kInfoClosing)) == kInfoRegistered;
}

struct Suspect {
  PollDesc* pd;
  std::uint64_t data;  // names its life
};

}  // namespace

// One list of the kernel's against the pollDescs.
struct Netpoll::Comparison {
  bool readable = false;          // there was a list
  std::vector<bool> intact;       // by index of the pollDesc: it stands there as its present life registered it
  std::vector<int> fds_not_ours;  // under these numbers stands what we never registered

  bool has_other_file(int fd) const {
    return std::find(fds_not_ours.begin(), fds_not_ours.end(), fd) != fds_not_ours.end();
  }
};

Netpoll::Comparison Netpoll::compare_registrations() const {
  Comparison result;
  result.intact.resize(cache_.count());
  base::EpollList list("self", poller_->debug_fd());
  while (const auto entry = list.next()) {
    result.readable = true;
    if (entry->data == 0) continue;  // the wake descriptor
    const auto index = static_cast<std::uint32_t>(entry->data);
    const PollDesc* pd = cache_.at(index);
    if (pd != nullptr && index < result.intact.size() && pd->event_data() == entry->data &&
        pd->fd.load(std::memory_order_seq_cst) == entry->fd) {
      result.intact[index] = true;
    } else if (!ever_ours(entry->data)) {
      result.fds_not_ours.push_back(entry->fd);
    }
  }
  return result;
}

// A list is older than the look that follows it: what was registered in between is missing from it, what was closed
// still stands in it. So a pollDesc that looks wrong is only suspected, and a second list, made after the first look,
// tells.
void Netpoll::audit() {
  if (!initialized() || poller_->debug_fd() < 0) return;  // a back end that /proc does not list
  const base::MutexLock audit_lock(audit_mutex_);
  Comparison first = compare_registrations();
  if (!first.readable) return;  // no /proc
  std::vector<Suspect> suspects;
  for (std::uint32_t i = 1; i < first.intact.size(); ++i) {
    if (first.intact[i]) continue;
    PollDesc& pd = *cache_.at(i);
    const base::MutexLock lock(pd.lock);
    if (!is_registered(pd)) continue;
    suspects.push_back({&pd, pd.event_data()});
    // What stands under its number was changed, not added.
    std::erase(first.fds_not_ours, pd.fd.load(std::memory_order_relaxed));
  }
  for (const int fd : first.fds_not_ours) {
    if (!foreign_fds_.insert(fd).second) continue;
    NETPOLL_TRACE(scheduler_.lane(), foreign_ctl, NETPOLL_ARG(0), NETPOLL_ARG(fd), NETPOLL_ARG(ForeignCtl::kAdded));
  }
  if (suspects.empty()) return;
  const Comparison second = compare_registrations();
  if (!second.readable) return;  // no descriptor left to read it with
  for (const auto& [pd, data] : suspects) {
    const base::MutexLock lock(pd->lock);
    if (!is_registered(*pd) || pd->event_data() != data || second.intact[pd->index]) continue;
    const std::int32_t fd = pd->fd.load(std::memory_order_relaxed);
    found_foreign(*pd, fd, second.has_other_file(fd) ? ForeignCtl::kModified : ForeignCtl::kRemoved);
    poller_->repair(fd, data);
    if (pd->edge || pd->armed != 0) tell_interest(*pd);
  }
}

// Whether data is what some life of one of our pollDescs registers: then a list in which it stands with the wrong
// descriptor, or with none of ours, is only older than our look (the descriptor was closed, its number used again).
// Lives start at 1 and only grow, so a descriptor number or a pointer, which others put there, does not look like ours.
bool Netpoll::ever_ours(std::uint64_t data) const {
  const PollDesc* pd = cache_.at(static_cast<std::uint32_t>(data));
  const auto life = static_cast<std::uint32_t>(data >> 32);
  return pd != nullptr && life != 0 && life <= pd->seq.load(std::memory_order_seq_cst);
}

}  // namespace netpoll::poll
