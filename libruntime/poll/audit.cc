// audit.cc: finds registrations that somebody else's epoll_ctl removed, added or changed, and repairs them.
//
// Nothing tells the owner of an epoll instance about a foreign EPOLL_CTL_DEL: the goroutine simply never wakes (Go
// loses it; netpoll-semantics, claim 7). But /proc/self/fdinfo/EPFD lists the kernel's view (proc(5)), with our data
// words, and comparing it with the pollDescs costs about 2 µs an entry. So it is done when the runtime falls idle,
// which is just the state that such a lost registration leads to, and for every snapshot.
#include <fcntl.h>

#include <cstdio>
#include <mutex>
#include <string>
#include <unordered_map>

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

// tfd -> data, from lines like "tfd:        6 events: 8000201d data: 100000001  pos:0 ino:… sdev:…" (fs/eventpoll.c,
// ep_show_fdinfo).
std::unordered_map<int, std::uint64_t> parse(const std::string& text) {
  std::unordered_map<int, std::uint64_t> registrations;
  for (std::size_t at = text.find("tfd:"); at != std::string::npos; at = text.find("tfd:", at + 1)) {
    int tfd;
    unsigned events;
    unsigned long long data;
    if (std::sscanf(text.c_str() + at, "tfd: %d events: %x data: %llx", &tfd, &events, &data) == 3) {
      registrations.emplace(tfd, data);
    }
  }
  return registrations;
}

// Whether data is what some life of one of our pollDescs registers: then a list in which it stands with the wrong
// descriptor, or with none of ours, is only older than our look (the descriptor was closed, its number used again).
// Lives start at 1 and only grow, so a descriptor number or a pointer, which others put there, does not look like ours.
bool ever_ours(const PollCache& cache, std::uint64_t data) {
  const PollDesc* pd = cache.at(static_cast<std::uint32_t>(data));
  const auto life = static_cast<std::uint32_t>(data >> 32);
  return pd != nullptr && life != 0 && life <= pd->seq.load(std::memory_order_seq_cst);
}

}  // namespace

void NetpollImpl::audit() {
  if (!initialized()) return;
  const std::string text = read_all("/proc/self/fdinfo/" + std::to_string(poller_->debug_fd()));
  if (text.empty()) return;  // no /proc: nothing to compare with
  auto registrations = parse(text);
  std::lock_guard audit_lock(audit_mutex_);
  for (std::uint64_t i = 1; i < cache_.count(); ++i) {
    PollDesc& pd = *cache_.at(static_cast<std::uint32_t>(i));
    std::lock_guard lock(pd.lock);
    const std::int32_t fd = pd.fd.load(std::memory_order_seq_cst);
    if (fd < 0 || !pd.registered || (pd.info.load(std::memory_order_relaxed) & kInfoClosing) != 0) continue;
    const auto found = registrations.find(fd);
    const std::uint64_t data = static_cast<std::uint64_t>(pd.seq.load(std::memory_order_relaxed)) << 32 | pd.index;
    const bool missing = found == registrations.end();
    const bool changed = !missing && found->second != data && !ever_ours(cache_, found->second);
    if (!missing) registrations.erase(found);
    if (!missing && !changed) continue;
    if (missing) {
      // The list is older than this look, so a descriptor that was registered since is missing from it too. Adding it
      // again tells: it fails where nothing is wrong, and is the repair where something is.
      if (poller_->open(fd, data) < 0) continue;
      found_foreign(pd, fd, 1);
    } else {
      found_foreign(pd, fd, 3);
      poller_->repair(fd, data);
    }
    if (trigger_ != Trigger::kEdge && pd.armed != 0) poller_->arm(fd, data, pd.armed);
  }
  // What is left is not ours: the wake descriptor (data 0), or a descriptor that somebody added to our epoll instance.
  for (const auto& [fd, data] : registrations) {
    if (data == 0 || ever_ours(cache_, data) || !foreign_fds_.insert(fd).second) continue;
    NETPOLL_TRACE(scheduler_.lane(), foreign_ctl, NETPOLL_ARG(0), NETPOLL_ARG(fd), NETPOLL_ARG(2));
  }
}

}  // namespace netpoll::poll
