// Asks by KERN_PROC_VMMAP.
#include <sys/types.h>
// Behind it.
#include <sys/sysctl.h>
#include <sys/user.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "probes/process/mappings.h"
#include "probes/process/memory.h"
#include "probes/process/vm_entries.h"

namespace netpoll::probes {

static_assert(vm_entry::kStructSize == offsetof(kinfo_vmentry, kve_structsize) &&
              vm_entry::kType == offsetof(kinfo_vmentry, kve_type) &&
              vm_entry::kStart == offsetof(kinfo_vmentry, kve_start) &&
              vm_entry::kEnd == offsetof(kinfo_vmentry, kve_end) &&
              vm_entry::kOffset == offsetof(kinfo_vmentry, kve_offset) &&
              vm_entry::kFileId == offsetof(kinfo_vmentry, kve_vn_fileid) &&
              vm_entry::kPath == offsetof(kinfo_vmentry, kve_path) && vm_entry::kVnode == KVME_TYPE_VNODE);

Result<std::vector<Mapping>> read_mappings(pid_t pid) {
  const std::array<int, 4> name = {CTL_KERN, KERN_PROC, KERN_PROC_VMMAP, pid};
  std::vector<std::byte> records;
  // A program that is loading maps more between the question for the size and the one for the list.
  constexpr int kTries = 10;
  for (int i = 0; i < kTries; ++i) {
    std::size_t size = 0;
    if (sysctl(name.data(), name.size(), nullptr, &size, nullptr, 0) != 0) break;
    records.resize(size + size / 2);
    size = records.size();
    if (sysctl(name.data(), name.size(), records.data(), &size, nullptr, 0) == 0) {
      records.resize(size);
      return parse_vm_entries(records);
    }
    if (errno != ENOMEM) break;
  }
  return process_error(pid, errno);
}

}  // namespace netpoll::probes
