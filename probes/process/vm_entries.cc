// Walks the records, each of which says how long it is.
#include "probes/process/vm_entries.h"

#include "probes/process/bytes.h"

namespace netpoll::probes {

std::vector<Mapping> parse_vm_entries(std::span<const std::byte> records) {
  std::vector<Mapping> mappings;
  for (Bytes rest(records);;) {
    const auto size = rest.at<std::int32_t>(vm_entry::kStructSize);
    // The kernel ends a list that does not fill its buffer by one of no size.
    if (!size || *size < static_cast<std::int32_t>(vm_entry::kPath) ||
        static_cast<std::uint64_t>(*size) > rest.size()) {
      return mappings;
    }
    const Bytes record = rest.first(static_cast<std::uint64_t>(*size));
    rest = rest.from(static_cast<std::uint64_t>(*size));
    Mapping m{.start = *record.at<std::uint64_t>(vm_entry::kStart),
              .end = *record.at<std::uint64_t>(vm_entry::kEnd),
              .file_offset = *record.at<std::uint64_t>(vm_entry::kOffset),
              .inode = *record.at<std::uint64_t>(vm_entry::kFileId),
              .path = std::string(record.text(vm_entry::kPath).value_or(""))};
    if (*record.at<std::int32_t>(vm_entry::kType) != vm_entry::kVnode || m.start >= m.end) continue;
    mappings.push_back(std::move(m));
  }
}

}  // namespace netpoll::probes
