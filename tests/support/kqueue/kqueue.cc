// kqueue.cc: kqueue(2) on Linux, as much of it as poller_kqueue.cc uses, so that the kqueue back end runs here through
// every test that the epoll back end runs through. Debian packages no kqueue for Linux, and this one is for tests
// alone.
//
// Three epoll instances make a kqueue. The outer one, whose descriptor the caller gets, watches an eventfd
// (EVFILT_USER) and two inner ones, one per filter, because a kqueue knows two independent knotes of a descriptor where
// epoll knows one registration. In the inner ones EV_CLEAR is EPOLLET, EV_DISPATCH is EPOLLONESHOT, and a disabled
// knote is not registered.
//
// Where it differs from a BSD: a closed descriptor whose file lives on stays registered, so its owner says EV_DELETE
// before close(2) (libkqueue asks the same of its users); `data` and `fflags` of events are 0; and what belongs to a
// kqueue outlives close(2) of its descriptor until the next kqueue() or reclaim(). Anything else that it does not do is
// EINVAL, never ignored.
#include "tests/support/kqueue/kqueue.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;

struct Knote {
  uintptr_t ident;
  unsigned short flags;
  void* udata;
};

// One filter: the knotes by descriptor, and the epoll instance that watches those that are enabled.
struct Filter {
  short number;
  uint32_t interest;
  int epfd = -1;
  std::map<uintptr_t, Knote*> knotes;
  std::deque<Knote> all;  // events in flight point to knotes, also to those that were deleted meanwhile
};

struct Kqueue {
  int fd = -1;  // the outer instance
  int eventfd = -1;
  Filter filters[2] = {{EVFILT_READ, EPOLLIN | EPOLLRDHUP, -1, {}, {}}, {EVFILT_WRITE, EPOLLOUT, -1, {}, {}}};
  bool user_knote = false;
  uintptr_t user_ident = 0;
  void* user_udata = nullptr;
  std::mutex mutex;

  ~Kqueue() {
    if (eventfd >= 0) close(eventfd);
    for (Filter& filter : filters) {
      if (filter.epfd >= 0) close(filter.epfd);
    }
  }
};

std::mutex all_mutex;
std::map<int, std::unique_ptr<Kqueue>> all_kqueues;  // guarded by all_mutex

int add(int epfd, int fd, uint32_t events, void* data) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = data;
  return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event);
}

// Whether descriptor kq.fd is still the outer instance: nothing else lists our eventfd.
bool is_open(const Kqueue& kq) {
  const int info = open(("/proc/self/fdinfo/" + std::to_string(kq.fd)).c_str(), O_RDONLY | O_CLOEXEC);
  if (info < 0) return false;
  char text[4096];
  const ssize_t size = read(info, text, sizeof text - 1);
  close(info);
  text[std::max<ssize_t>(size, 0)] = '\0';
  const std::string all(text);
  for (std::size_t at = all.find("tfd:"); at != std::string::npos; at = all.find("tfd:", at + 1)) {
    if (std::stoi(all.substr(at + 4)) == kq.eventfd) return true;
  }
  return false;
}

// Registers knote with the kernel, or changes how. 0 or errno.
int watch(Filter& filter, Knote& knote) {
  epoll_event event{};
  event.events = filter.interest;
  if ((knote.flags & EV_OOBAND) != 0) event.events |= EPOLLPRI;
  if ((knote.flags & EV_CLEAR) != 0) event.events |= EPOLLET;
  if ((knote.flags & EV_DISPATCH) != 0) event.events |= EPOLLONESHOT;
  event.data.ptr = &knote;
  const int fd = static_cast<int>(knote.ident);
  if (epoll_ctl(filter.epfd, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
  if (errno != EEXIST) return errno;
  return epoll_ctl(filter.epfd, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : errno;
}

void unwatch(Filter& filter, const Knote& knote) {
  epoll_ctl(filter.epfd, EPOLL_CTL_DEL, static_cast<int>(knote.ident), nullptr);
}

// One change of a descriptor's knote. 0 or errno.
int apply(Filter& filter, const struct kevent& change) {
  constexpr unsigned kKnown =
      EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_CLEAR | EV_RECEIPT | EV_DISPATCH | EV_OOBAND;
  if ((change.flags & ~kKnown) != 0 || change.fflags != 0) return EINVAL;
  const auto found = filter.knotes.find(change.ident);
  if ((change.flags & EV_DELETE) != 0) {
    if (found == filter.knotes.end()) return ENOENT;
    unwatch(filter, *found->second);
    filter.knotes.erase(found);
    return 0;
  }
  if ((change.flags & EV_ADD) == 0) {
    if ((change.flags & EV_DISABLE) == 0) return EINVAL;
    if (found == filter.knotes.end()) return ENOENT;
    unwatch(filter, *found->second);
    return 0;
  }
  // Events in flight keep the udata they were born with, so a new udata is a new knote.
  Knote* knote = found != filter.knotes.end() ? found->second : nullptr;
  if (knote == nullptr || knote->udata != change.udata) {
    knote = &filter.all.emplace_back(Knote{change.ident, change.flags, change.udata});
  }
  if (const int error = watch(filter, *knote); error != 0) return error;
  if ((change.flags & EV_DISABLE) != 0) unwatch(filter, *knote);
  filter.knotes[change.ident] = knote;
  return 0;
}

int apply_user(Kqueue& kq, const struct kevent& change) {
  if ((change.flags & EV_ADD) != 0) {
    if ((change.flags & EV_CLEAR) == 0) return EINVAL;
    kq.user_knote = true;
    kq.user_ident = change.ident;
    kq.user_udata = change.udata;
  }
  if (!kq.user_knote || kq.user_ident != change.ident) return ENOENT;
  const uint64_t one = 1;
  // Never read: each write is one edge, which is what EV_CLEAR makes of a trigger.
  if ((change.fflags & NOTE_TRIGGER) != 0 && write(kq.eventfd, &one, sizeof one) < 0) return errno;
  return 0;
}

int apply(Kqueue& kq, const struct kevent& change) {
  std::lock_guard lock(kq.mutex);
  if (change.filter == EVFILT_USER) return apply_user(kq, change);
  for (Filter& filter : kq.filters) {
    if (filter.number == change.filter) return apply(filter, change);
  }
  return EINVAL;
}

struct kevent event_of(const Filter& filter, const epoll_event& ready) {
  const auto* knote = static_cast<const Knote*>(ready.data.ptr);
  unsigned flags = knote->flags & (EV_CLEAR | EV_DISPATCH);
  const uint32_t end = filter.number == EVFILT_READ ? EPOLLRDHUP | EPOLLHUP | EPOLLERR : EPOLLHUP | EPOLLERR;
  if ((ready.events & end) != 0) flags |= EV_EOF;
  if ((ready.events & EPOLLPRI) != 0) flags |= EV_OOBAND;
  struct kevent event {};
  event.ident = knote->ident;
  event.filter = filter.number;
  event.flags = static_cast<unsigned short>(flags);
  event.udata = knote->udata;
  return event;
}

// Takes what is there, at most room events.
int take(Kqueue& kq, const epoll_event* ready, int count, struct kevent* out, int room) {
  int used = 0;
  for (int i = 0; i < count; ++i) {
    if (ready[i].data.ptr != &kq) continue;  // the eventfd comes first: its edge is gone with this wait
    struct kevent& event = out[used++];
    event = {};
    std::lock_guard lock(kq.mutex);
    event.ident = kq.user_ident;
    event.filter = EVFILT_USER;
    event.flags = EV_CLEAR;
    event.udata = kq.user_udata;
  }
  for (Filter& filter : kq.filters) {
    epoll_event events[64];
    const int wanted = std::min(room - used, 64);
    if (wanted == 0) break;
    const int found = epoll_wait(filter.epfd, events, wanted, 0);
    for (int i = 0; i < found; ++i) out[used++] = event_of(filter, events[i]);
  }
  return used;
}

int wait(Kqueue& kq, struct kevent* out, int room, const timespec* timeout) {
  const auto end = timeout != nullptr
                       ? Clock::now() + std::chrono::seconds(std::min<time_t>(timeout->tv_sec, 1 << 30)) +
                             std::chrono::nanoseconds(timeout->tv_nsec)
                       : Clock::time_point::max();
  for (;;) {
    int wait_ms = -1;
    if (timeout != nullptr) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
      wait_ms = static_cast<int>(std::clamp<long long>(left, 0, 1'000'000'000));
    }
    epoll_event ready[3];
    const int count = epoll_wait(kq.fd, ready, 3, wait_ms);
    if (count < 0) return -1;
    const int used = take(kq, ready, count, out, room);
    // Another thread may have been faster.
    if (used > 0 || (timeout != nullptr && Clock::now() >= end)) return used;
  }
}

}  // namespace

namespace netpoll::test {

void reclaim_kqueues() {
  std::lock_guard lock(all_mutex);
  std::erase_if(all_kqueues, [](const auto& entry) { return !is_open(*entry.second); });
}

}  // namespace netpoll::test

int kqueue() {
  netpoll::test::reclaim_kqueues();
  auto kq = std::make_unique<Kqueue>();
  kq->fd = epoll_create1(EPOLL_CLOEXEC);
  kq->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  bool fine = kq->fd >= 0 && kq->eventfd >= 0 && add(kq->fd, kq->eventfd, EPOLLIN | EPOLLET, kq.get()) == 0;
  for (Filter& filter : kq->filters) {
    filter.epfd = epoll_create1(EPOLL_CLOEXEC);
    fine = fine && filter.epfd >= 0 && add(kq->fd, filter.epfd, EPOLLIN, &filter) == 0;
  }
  const int fd = kq->fd;
  if (!fine) {
    const int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    return -1;
  }
  std::lock_guard lock(all_mutex);
  all_kqueues[fd] = std::move(kq);
  return fd;
}

int kevent(int fd, const struct kevent* changes, int nchanges, struct kevent* events, int nevents,
           const timespec* timeout) {
  Kqueue* kq;
  {
    std::lock_guard lock(all_mutex);
    const auto found = all_kqueues.find(fd);
    if (found == all_kqueues.end()) {
      errno = EBADF;
      return -1;
    }
    kq = found->second.get();
  }
  int answers = 0;
  for (int i = 0; i < nchanges; ++i) {
    struct kevent change = changes[i];  // changes and events may be one array
    const int error = apply(*kq, change);
    if (error == 0 && (change.flags & EV_RECEIPT) == 0) continue;
    if (answers == nevents) {
      if (error == 0) break;
      errno = error;
      return -1;
    }
    change.flags = EV_ERROR;
    change.data = error;
    events[answers++] = change;
  }
  if (answers > 0 || nevents == 0) return answers;
  return wait(*kq, events, nevents, timeout);
}
