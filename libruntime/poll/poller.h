// poller.h: THE contract of a back end. One file per platform implements it (poller_epoll.cc; kqueue and IOCP have
// their place beside it), and nothing above this file knows epoll.
//
// A back end reports, for a registered descriptor, which directions became ready. Whether the kernel tells readiness
// (epoll, kqueue) or completion (IOCP) stays behind this line: both end in an Event for the pollDesc.
#pragma once

#include <cstdint>
#include <memory>

#include "netpoll/config.h"

namespace netpoll::poll {

inline constexpr std::uint32_t kReadBit = 1;   // 1 << Mode::kRead
inline constexpr std::uint32_t kWriteBit = 2;  // 1 << Mode::kWrite

struct Event {
  std::uint64_t data = 0;   // what open() was given
  std::uint32_t modes = 0;  // kReadBit | kWriteBit
  bool hangup = false;      // the peer closed or reset, or sent urgent data; edges may have been merged with this one
  bool error_only = false;  // an error and nothing else
};

// Thread-safe: any number of threads call any of these at a time. Results are 0 (or a count), or -errno.
class Poller {
 public:
  virtual ~Poller() = default;

  // Creates the kernel object. Called once, before anything else.
  virtual int init() = 0;

  // Registers fd under data. Edge trigger: both directions, for good; the current readiness is reported as a first
  // edge. Oneshot and level: no direction yet. -EPERM: this kind of file cannot be polled. -EEXIST: fd is registered
  // already, and not by us (we register a fd once per life).
  virtual int open(int fd, std::uint64_t data) = 0;

  // Oneshot and level: makes `modes` the directions of interest; the current readiness counts. In oneshot the kernel
  // forgets them all when it reports one; in level they stay until the next arm(). -ENOENT: the registration is gone.
  virtual int arm(int fd, std::uint64_t data, std::uint32_t modes) = 0;

  // Replaces whatever is registered for fd by what open() would register; repairs foreign interference.
  virtual int repair(int fd, std::uint64_t data) = 0;

  // Removes the registration. Needed only where the open file lives on after close(fd).
  virtual int close(int fd) = 0;

  // Fills out with up to max events: delay_ns < 0 blocks, 0 looks, > 0 waits at most that long (rounded up to what the
  // platform can). Returns 0 early after wake() or a signal.
  virtual int poll(std::int64_t delay_ns, Event* out, int max) = 0;

  // Makes one blocked poll() return. Never blocks; calls until then are merged into one.
  virtual void wake() = 0;

  // The descriptor by which other tools find the registrations (/proc/PID/fdinfo), -1 where there is none.
  virtual int debug_fd() const = 0;
};

// The back end of this platform.
std::unique_ptr<Poller> make_poller(Trigger trigger);

}  // namespace netpoll::poll
