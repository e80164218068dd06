// TimedWait: an epoll_wait or epoll_pwait with a timeout in milliseconds. When the kernel enters it again because of an
// interruption that the program is not to see, it waits for what is left of its time. For the tracer's thread, of a
// thread that stands still.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>

namespace netpoll::probes {

class TimedWait {
 public:
  // Of a native call that begins now. Nothing for another call, and for one that waits not at all or for ever.
  static std::optional<TimedWait> of(long number, const std::array<std::uint64_t, 6>& args);
  // At its next entry: changes the argument.
  void shorten(pid_t tid);
  // At its exit: the thread's register is as it was.
  void put_back(pid_t tid);
  bool changed() const { return changed_; }

 private:
  TimedWait(std::uint64_t timeout, std::int64_t deadline_ns) : timeout_(timeout), deadline_ns_(deadline_ns) {}

  std::uint64_t timeout_;  // the argument, as the program gave it
  std::int64_t deadline_ns_;
  bool changed_ = false;
};

}  // namespace netpoll::probes
