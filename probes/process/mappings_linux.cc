// Parses /proc/PID/maps.
#include "probes/process/mappings.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <fstream>

#include "probes/process/memory.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {

std::vector<Mapping> parse_mappings(std::istream& maps) {
  std::vector<Mapping> result;
  for (std::string line; std::getline(maps, line);) {
    Mapping m;
    int path_at = 0;
    // 55d0c8a00000-55d0c8a21000 r--p 00000000 fe:00 131842      /usr/bin/server
    const int fields = std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %*x:%*x %" SCNu64 " %n",
                                   &m.start, &m.end, &m.file_offset, &m.inode, &path_at);
    if (fields != 4 || m.inode == 0 || m.start >= m.end) continue;
    m.path = line.substr(static_cast<std::size_t>(path_at));
    result.push_back(std::move(m));
  }
  return result;
}

Result<std::vector<Mapping>> read_mappings(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(living_thread(pid)) + "/maps";
  errno = 0;
  std::ifstream file(path);
  if (!file) return process_error(pid, errno != 0 ? errno : ESRCH);
  return parse_mappings(file);
}

}  // namespace netpoll::probes
