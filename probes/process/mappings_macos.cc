// Asks libproc for one region after the other (PROC_PIDREGIONPATHINFO).
#include <libproc.h>
#include <sys/proc_info.h>

#include <cerrno>
#include <cstring>

#include "probes/process/mappings.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

Result<std::vector<Mapping>> read_mappings(pid_t pid) {
  std::vector<Mapping> mappings;
  for (std::uint64_t at = 0;;) {
    // The region that holds the address, or the next one.
    proc_regionwithpathinfo region{};
    errno = 0;
    if (proc_pidinfo(pid, PROC_PIDREGIONPATHINFO, at, &region, sizeof region) != static_cast<int>(sizeof region)) {
      // Behind the last (bsd/kern/proc_info.c, proc_pidregionpathinfo).
      if (errno == EINVAL) return mappings;
      return process_error(pid, errno);
    }
    const proc_regioninfo& info = region.prp_prinfo;
    const std::uint64_t end = info.pri_address + info.pri_size;
    if (end <= at) return mappings;
    at = end;
    const char* path = region.prp_vip.vip_path;
    if (*path == '\0') continue;
    mappings.push_back({.start = info.pri_address,
                        .end = end,
                        .file_offset = info.pri_offset,
                        .inode = region.prp_vip.vip_vi.vi_stat.vst_ino,
                        .path = std::string(path, strnlen(path, sizeof region.prp_vip.vip_path))});
  }
}

}  // namespace netpoll::probes
