#include "probes/rtproc/registrations.h"

#include <fstream>
#include <string>

namespace netpoll::probes::rtproc {

// Lines like "tfd:        6 events: 8000201d data: 100000001  pos:0 ino:… sdev:…".
std::set<std::pair<int, std::uint64_t>> read_registrations(pid_t pid, int epfd) {
  std::set<std::pair<int, std::uint64_t>> registrations;
  std::ifstream in("/proc/" + std::to_string(pid) + "/fdinfo/" + std::to_string(epfd));
  for (std::string word; in >> word;) {
    if (word != "tfd:") continue;
    int fd = -1;
    std::string events;
    std::string data;
    if (in >> fd >> word >> events >> word >> data) registrations.emplace(fd, std::stoull("0" + data, nullptr, 16));
  }
  return registrations;
}

}  // namespace netpoll::probes::rtproc
