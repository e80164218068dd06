#include "probes/process/epoll_sets.h"

#include <string>

#include "libruntime/base/epoll_list.h"

namespace netpoll::probes {

std::set<std::pair<int, std::uint64_t>> read_registrations(pid_t pid, int epfd) {
  std::set<std::pair<int, std::uint64_t>> registrations;
  base::EpollList list(std::to_string(pid), epfd);
  while (const auto entry = list.next()) registrations.emplace(entry->fd, entry->data);
  return registrations;
}

}  // namespace netpoll::probes
