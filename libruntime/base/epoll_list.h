// epoll_list.h: the kernel's list of what is registered with an epoll instance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/fd.h"

namespace netpoll::base {

// A registration: the number it was made under (which may be closed by now, and in use for another file; so one number
// may stand in a list twice), the events asked for (EPOLLIN..., with the flags), their data word, and the inode of the
// file, which kernels before 4.14 do not say.
struct EpollEntry {
  int fd = -1;
  std::uint32_t events = 0;
  std::uint64_t data = 0;
  std::optional<std::uint64_t> inode;
};

// From a line of /proc/PID/fdinfo/EPFD, "tfd:        6 events: 8000201d data: 100000001  pos:0 ino:… sdev:…"
// (proc(5); fs/eventpoll.c, ep_show_fdinfo); nothing for any other line.
std::optional<EpollEntry> parse_epoll_entry(std::string_view line);

// EpollList reads such a file piece by piece, so that ten thousand registrations need no megabyte. What it returns is
// one moment's list: the kernel writes it under the instance's lock when the first piece is read. Works in goroutines
// (no errno). Not thread-safe.
class EpollList {
 public:
  // process: a pid, or "self".
  EpollList(const std::string& process, int epfd);

  // The next entry; nothing at the end, or when the file cannot be read, or is no epoll instance's.
  std::optional<EpollEntry> next();

 private:
  bool fill();

  Fd file_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // what was read and not yet returned
  std::size_t end_ = 0;
};

}  // namespace netpoll::base
