#include "probes/rtproc/registrations.h"

#include <string>

#include "libruntime/base/epoll_list.h"

namespace netpoll::probes::rtproc {

std::set<std::pair<int, std::uint64_t>> read_registrations(pid_t pid, int epfd) {
  std::set<std::pair<int, std::uint64_t>> registrations;
  base::EpollList list(std::to_string(pid), epfd);
  while (const auto entry = list.next()) registrations.emplace(entry->fd, entry->data);
  return registrations;
}

}  // namespace netpoll::probes::rtproc
