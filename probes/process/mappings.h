// The file mappings of a process, from /proc/PID/maps (proc_pid_maps(5)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "netpoll/result.h"

namespace netpoll::probes {

struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t file_offset = 0;
  std::uint64_t inode = 0;
  std::string path;  // as the target sees it; may end in " (deleted)"
};

// The mappings that have a file behind them, in order of address. Lines that do not follow the format are skipped.
std::vector<Mapping> parse_mappings(std::istream& maps);

Result<std::vector<Mapping>> read_mappings(pid_t pid);

// The mapping that holds address, or null.
const Mapping* find_mapping(const std::vector<Mapping>& mappings, std::uint64_t address);

}  // namespace netpoll::probes
