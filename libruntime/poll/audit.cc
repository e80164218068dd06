// audit.cc: finds registrations that somebody else's epoll_ctl removed, added or changed, and repairs them.
//
// Nothing tells the owner of an epoll instance about a foreign EPOLL_CTL_DEL: the goroutine simply never wakes (Go
// loses it; netpoll-semantics, claim 7). But /proc/self/fdinfo/EPFD lists the kernel's view (proc(5)), with our data
// words, and comparing it with the pollDescs costs about 2 µs an entry. So it is done when the runtime falls idle,
// which is just the state that such a lost registration leads to, and for every snapshot.
#include <fcntl.h>

#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libruntime/base/syscall.h"
#include "libruntime/poll/netpoll_impl.h"
#include "netpoll/fd.h"

namespace netpoll::poll {
namespace {

std::string read_all(const std::string& path) {
  std::string text;
  Fd fd(static_cast<int>(base::sys(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC, 0)));
  if (!fd.valid()) return text;
  char buffer[16384];
  for (;;) {
    const long n = base::sys(SYS_read, fd.get(), buffer, sizeof buffer);
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

// From lines like "tfd:        6 events: 8000201d data: 100000001  pos:0 ino:… sdev:…" (fs/eventpoll.c,
// ep_show_fdinfo). Not by sscanf, which measures the rest of the text for every line.
Registrations parse(const std::string& text) {
  constexpr std::string_view kFd = "tfd:";
  constexpr std::string_view kData = "data:";
  Registrations registrations;
  for (std::size_t at = text.find(kFd); at != std::string::npos; at = text.find(kFd, at + 1)) {
    const std::size_t data = text.find(kData, at);
    if (data == std::string::npos) break;
    registrations.emplace(static_cast<int>(std::strtol(text.c_str() + at + kFd.size(), nullptr, 10)),
                          std::strtoull(text.c_str() + data + kData.size(), nullptr, 16));
  }
  return registrations;
}

// The kernel knows pd, as far as we did it, and nobody closes it. Its lock is held.
bool is_registered(const PollDesc& pd) {
  return pd.fd.load(std::memory_order_seq_cst) >= 0 && pd.registered &&
         (pd.info.load(std::memory_order_relaxed) & kInfoClosing) == 0;
}

struct Suspect {
  PollDesc* pd;
  std::uint64_t data;  // names its life
};

}  // namespace

// A list is older than the look that follows it: what was registered in between is missing from it, what was closed
// still stands in it. So a pollDesc that looks wrong is only suspected, and a second list, made after the first look,
// tells.
void NetpollImpl::audit() {
  if (!initialized()) return;
  std::lock_guard audit_lock(audit_mutex_);
  Registrations registrations = list_registrations();
  if (registrations.empty()) return;  // no /proc: nothing to compare with
  std::vector<Suspect> suspects;
  for (std::uint64_t i = 1; i < cache_.count(); ++i) {
    PollDesc& pd = *cache_.at(static_cast<std::uint32_t>(i));
    std::lock_guard lock(pd.lock);
    if (!is_registered(pd)) continue;
    if (interference(pd, registrations) != 0) suspects.push_back({&pd, pd.event_data()});
    registrations.erase(pd.fd.load(std::memory_order_relaxed));
  }
  // What is left is not ours: the wake descriptor (data 0), or a descriptor that somebody added to our epoll instance.
  for (const auto& [fd, data] : registrations) {
    if (data == 0 || ever_ours(data) || !foreign_fds_.insert(fd).second) continue;
    NETPOLL_TRACE(scheduler_.lane(), foreign_ctl, NETPOLL_ARG(0), NETPOLL_ARG(fd), NETPOLL_ARG(2));
  }
  if (suspects.empty()) return;
  registrations = list_registrations();
  for (const auto& [pd, data] : suspects) {
    std::lock_guard lock(pd->lock);
    if (!is_registered(*pd) || pd->event_data() != data) continue;
    const int kind = interference(*pd, registrations);
    if (kind == 0) continue;
    const std::int32_t fd = pd->fd.load(std::memory_order_relaxed);
    found_foreign(*pd, fd, kind);
    poller_->repair(fd, data);
    if (trigger_ != Trigger::kEdge && pd->armed != 0) poller_->arm(fd, data, pd->armed);
  }
}

Registrations NetpollImpl::list_registrations() const {
  return parse(read_all("/proc/self/fdinfo/" + std::to_string(poller_->debug_fd())));
}

// What somebody did to the registration of a registered pollDesc, its lock held, in the numbers of foreign_ctl: 1
// removed it, 3 changed it; 0: nothing.
int NetpollImpl::interference(const PollDesc& pd, const Registrations& registrations) const {
  const auto found = registrations.find(pd.fd.load(std::memory_order_relaxed));
  if (found == registrations.end()) return 1;
  return found->second == pd.event_data() || ever_ours(found->second) ? 0 : 3;
}

// Whether data is what some life of one of our pollDescs registers: then a list in which it stands with the wrong
// descriptor, or with none of ours, is only older than our look (the descriptor was closed, its number used again).
// Lives start at 1 and only grow, so a descriptor number or a pointer, which others put there, does not look like ours.
bool NetpollImpl::ever_ours(std::uint64_t data) const {
  const PollDesc* pd = cache_.at(static_cast<std::uint32_t>(data));
  const auto life = static_cast<std::uint32_t>(data >> 32);
  return pd != nullptr && life != 0 && life <= pd->seq.load(std::memory_order_seq_cst);
}

}  // namespace netpoll::poll
