// poller.h: THE contract of a back end. One file per platform implements it (poller_epoll.cc, poller_kqueue.cc; IOCP
// has its place beside them), poller_select.cc chooses, and nothing above this file knows epoll.
//
// A back end reports, for a registered descriptor, which directions became ready. Whether the kernel tells readiness
// (epoll, kqueue) or completion (IOCP) stays behind this line: both end in a Readiness for the pollDesc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "netpoll/config.h"

namespace netpoll::poll {

inline constexpr std::uint32_t kReadBit = 1;   // 1 << Mode::kRead
inline constexpr std::uint32_t kWriteBit = 2;  // 1 << Mode::kWrite

// Without initial values: every poll has room for many, and mostly returns one.
struct Readiness {
  std::uint64_t data;   // what open() was given
  std::uint32_t modes;  // kReadBit | kWriteBit
  bool hangup;          // the peer closed or reset, or sent urgent data; edges may have been merged with this one
  // An end or an error is among what is up. It cannot be masked and stays: every later arm() reports it again.
  bool lasting;
};

// Thread-safe: any number of threads call any of these at a time. Results are 0 (or a count), or -errno.
class Poller {
 public:
  virtual ~Poller() = default;

  // Creates the kernel object. Called before anything else, until it succeeds; a failure leaves no descriptor behind.
  virtual int init() = 0;

  // Registers fd under data. Edge trigger: both directions, for good; the current readiness is reported as a first
  // edge. Oneshot and level: no direction yet. -EPERM: this kind of file cannot be polled. -EEXIST: fd is registered
  // already, and not by us (we register a fd once per life).
  virtual int open(int fd, std::uint64_t data) = 0;

  // Oneshot and level: makes `modes` the directions of interest; the current readiness counts. In oneshot the kernel
  // forgets a direction when it reports it, and perhaps the other one with it (epoll does, kqueue does not); in level
  // they stay until the next arm(). -ENOENT: the registration is gone, where the kernel can tell.
  virtual int arm(int fd, std::uint64_t data, std::uint32_t modes) = 0;

  // Oneshot and level: makes this registration what open() makes with the edge trigger, until it is removed. For one
  // that would report something lasting with every arm(). -ENOENT as for arm().
  virtual int arm_edge(int fd, std::uint64_t data) = 0;

  // Replaces whatever is registered for fd by what open() would register; repairs foreign interference.
  virtual int repair(int fd, std::uint64_t data) = 0;

  // Removes the registration. -ENOENT: somebody else did. Needed only where outlives_close() says so.
  virtual int close(int fd) = 0;

  // Whether a registration survives close(2) of its descriptor, so that close() has to come first. shared: other
  // descriptors may refer to the same open file.
  virtual bool outlives_close(bool shared) const = 0;

  // Fills out with up to max events: delay_ns < 0 blocks, 0 looks, > 0 waits at most that long (rounded up to what the
  // platform can). Returns 0 early after wake() or a signal.
  virtual int poll(std::int64_t delay_ns, Readiness* out, int max) = 0;

  // Makes one blocked poll() return. Never blocks; calls until then are merged into one.
  virtual void wake() = 0;

  // The descriptor by which other tools find the registrations (/proc/PID/fdinfo), -1 where there is none.
  virtual int debug_fd() const = 0;
};

// The back ends in this build; the first one is the platform's own.
std::span<const PollerKind> back_ends();

// The back end called kind; null when it is not in this build.
std::unique_ptr<Poller> make_poller(PollerKind kind, Trigger trigger);

}  // namespace netpoll::poll
