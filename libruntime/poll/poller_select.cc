// poller_select.cc: which back ends this build has, the platform's own first. The build defines NETPOLL_HAVE_EPOLL,
// NETPOLL_HAVE_URING, NETPOLL_HAVE_IOCP and NETPOLL_HAVE_KQUEUE for those whose files it compiles.
#include <iterator>

#include "libruntime/poll/poller_backends.h"

namespace netpoll::poll {
namespace {

struct BackEnd {
  PollerKind kind;
  std::unique_ptr<Poller> (*make)(Trigger trigger);
};

constexpr BackEnd kBackEnds[] = {
#if defined(NETPOLL_HAVE_EPOLL)
    {PollerKind::kEpoll, make_epoll_poller},
#endif
#if defined(NETPOLL_HAVE_IOCP)
    {PollerKind::kIocp, make_iocp_poller},
#endif
#if defined(NETPOLL_HAVE_URING)
    {PollerKind::kUring, make_uring_poller},
#endif
#if defined(NETPOLL_HAVE_KQUEUE)
    {PollerKind::kKqueue, make_kqueue_poller},
#endif
};

struct Kinds {
  PollerKind of[std::size(kBackEnds)];
};

constexpr Kinds kKinds = [] {
  Kinds kinds{};
  for (std::size_t i = 0; i < std::size(kBackEnds); ++i) kinds.of[i] = kBackEnds[i].kind;
  return kinds;
}();

}  // namespace

std::span<const PollerKind> back_ends() { return kKinds.of; }

std::unique_ptr<Poller> make_poller(PollerKind kind, Trigger trigger) {
  if (kind == PollerKind::kDefault) kind = kBackEnds[0].kind;
  for (const BackEnd& back_end : kBackEnds) {
    if (back_end.kind == kind) return back_end.make(trigger);
  }
  return nullptr;
}

}  // namespace netpoll::poll
