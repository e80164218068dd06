// The mappings of a process as FreeBSD lists them: records of struct kinfo_vmentry (sys/user.h), as sysctl(3) gives
// them for KERN_PROC_VMMAP.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "probes/process/mappings.h"

namespace netpoll::probes {

// Where the fields of a record are (mappings_freebsd.cc compares them with the header that only FreeBSD has), and the
// kve_type of a file.
namespace vm_entry {
inline constexpr std::size_t kStructSize = 0;
inline constexpr std::size_t kType = 4;
inline constexpr std::size_t kStart = 8;
inline constexpr std::size_t kEnd = 16;
inline constexpr std::size_t kOffset = 24;
inline constexpr std::size_t kFileId = 32;
inline constexpr std::size_t kPath = 136;
inline constexpr std::int32_t kVnode = 2;
}  // namespace vm_entry

// The mappings that have a file behind them, in the order of the records, which is that of addresses. A record is as
// long as it says: the path is cut behind its end. Ends where a record makes no sense.
std::vector<Mapping> parse_vm_entries(std::span<const std::byte> records);

}  // namespace netpoll::probes
