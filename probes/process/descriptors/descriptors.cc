// Finds descriptors of a kind by the links of /proc/PID/fd.
#include "probes/process/descriptors/descriptors.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "probes/process/descriptors/links.h"
#include "probes/process/descriptors/sockets.h"

namespace netpoll::probes {
namespace {

// As each_epoll_descriptor(), of those whose link in /proc/PID/fd is this text.
bool each_linked_to(pid_t pid, std::string_view link, const std::function<bool(int)>& visit) {
  const Dir dir = open_links(pid);
  if (dir == nullptr) return false;
  std::array<char, 64> text;
  while (const dirent* entry = readdir(dir.get())) {
    const ssize_t size = readlinkat(dirfd(dir.get()), entry->d_name, text.data(), text.size());
    if (size < 0 || std::string_view(text.data(), static_cast<std::size_t>(size)) != link) continue;
    int fd = -1;
    const std::string_view name(entry->d_name);
    if (std::from_chars(name.data(), name.data() + name.size(), fd).ec != std::errc{}) continue;
    if (!visit(fd)) return true;
  }
  return true;
}

}  // namespace

void set_socket(const SocketInfo& socket, DescriptorInfo& info) {
  info.kind = socket.kind;
  info.local = socket.local;
  info.peer = socket.peer;
  info.tcp_state = socket.state;
  info.recv_queue_bytes = socket.recv_queue_bytes;
  info.send_queue_bytes = socket.send_queue_bytes;
  info.recv_idle_ns = socket.recv_idle_ns;
  info.send_idle_ns = socket.send_idle_ns;
}

bool each_epoll_descriptor(pid_t pid, const std::function<bool(int)>& visit) {
  return each_linked_to(pid, kEpollLink, visit);
}

std::optional<bool> has_io_uring(pid_t pid) {
  bool found = false;
  const auto visit = [&found](int) {
    found = true;
    return false;
  };
  if (!each_linked_to(pid, kUringLink, visit)) return std::nullopt;
  return found;
}

std::optional<std::vector<int>> epoll_descriptors_of(pid_t pid) {
  std::vector<int> found;
  const auto visit = [&found](int fd) {
    found.push_back(fd);
    return true;
  };
  if (!each_epoll_descriptor(pid, visit)) return std::nullopt;
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace netpoll::probes
