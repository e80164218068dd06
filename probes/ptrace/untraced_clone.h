// UntracedClone: a call that is to make a process which nobody traces (CLONE_UNTRACED of clone(2)), without that flag
// for as long as it lasts. For the tracer's thread, of a thread that stands still.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>

namespace netpoll::probes {

class UntracedClone {
 public:
  // At the entry of a native call: takes the flag off. Nothing where there is none, or it cannot be changed.
  static std::optional<UntracedClone> take_off(pid_t tid, long number, const std::array<std::uint64_t, 6>& args);
  // When the call has returned: the thread's register or memory is as it was.
  void put_back(pid_t tid) const;

 private:
  UntracedClone(std::uint64_t address, std::uint64_t flags) : address_(address), flags_(flags) {}
  bool write(pid_t tid, std::uint64_t flags) const;

  std::uint64_t
      address_;  // of the flags of clone3, the first member of struct clone_args; 0: they are the first argument
  std::uint64_t flags_;  // as the program gave them
};

}  // namespace netpoll::probes
