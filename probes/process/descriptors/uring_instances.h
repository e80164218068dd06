// The io_uring instances of a process, by what the kernel says of each in /proc/PID/fdinfo.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <vector>

namespace netpoll::probes {

// As of one moment. Unknown is nullopt: before Linux 5.18 the kernel says little, and while the instance's lock is held
// nothing of its lists.
struct UringInstance {
  pid_t pid = -1;
  int fd = -1;
  std::optional<std::uint64_t> sq_entries;  // room in its queues
  std::optional<std::uint64_t> cq_entries;
  std::optional<std::uint64_t> queued;      // operations that the kernel has yet to take
  std::optional<std::uint64_t> completed;   // completions that the program has yet to take
  std::optional<std::uint64_t> overflowed;  // completions that found no room, which the kernel keeps beside the queue
  std::optional<std::uint64_t> polls;       // operations that wait until a file is ready
  std::optional<std::uint64_t> registered_files;
  std::optional<pid_t> sq_thread;  // the kernel's thread that takes operations by itself; nullopt: none
};

// Those that these descriptors of a process are, as far as fdinfo may be read.
std::vector<UringInstance> uring_instances(pid_t pid, const std::vector<int>& descriptors);
// What the text of an fdinfo file says, whatever it is (io_uring/fdinfo.c).
UringInstance parse_uring_fdinfo(std::istream& text);

}  // namespace netpoll::probes
