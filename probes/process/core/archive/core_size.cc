// Takes the end of the last segment from the headers.
#include "probes/process/core/archive/core_size.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

namespace netpoll::probes {
namespace {

// What may follow the segments: names and a table of sections, which gcore writes.
constexpr std::uint64_t kTail = 64 << 20;
// More headers than 65,534 segments have.
constexpr std::uint64_t kLargestHead = 8 << 20;

}  // namespace

Result<void> CoreSize::add(std::span<const std::byte> bytes) {
  seen_ += bytes.size();
  if (!known_) {
    head_.insert(head_.end(), bytes.begin(), bytes.end());
    if (auto r = look(); !r) return r;
    if (known_) head_ = {};
  }
  if (seen_ <= end_) return {};
  return Error(ErrorKind::kProtocol, "what is packed goes on beyond the " + std::to_string(end_ - kTail) +
                                         " bytes that the core's headers name")
      .with_hint("it is damaged, or no core");
}

Result<void> CoreSize::look() {
  Elf64_Ehdr header;
  const auto magic = std::as_bytes(std::span(ELFMAG)).first(std::min(head_.size(), std::size_t{SELFMAG}));
  if (!std::equal(magic.begin(), magic.end(), head_.begin())) {
    return Error(ErrorKind::kProtocol, "not a core: what is packed is not ELF")
        .with_hint("snapshot --core reads ELF cores, as the kernel, gcore and `coredumpctl dump` write them");
  }
  if (head_.size() < sizeof(header)) return {};
  std::memcpy(&header, head_.data(), sizeof(header));
  const std::uint64_t table = std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  // Others are refused by who reads the core.
  known_ = header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
           header.e_phnum == PN_XNUM || header.e_phoff > kLargestHead - table;
  if (known_ || head_.size() < header.e_phoff + table) return {};
  known_ = true;
  std::uint64_t end = header.e_phoff + table;
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, head_.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    std::uint64_t segment_end = 0;
    if (__builtin_add_overflow(segment.p_offset, segment.p_filesz, &segment_end)) return {};
    end = std::max(end, segment_end);
  }
  if (end < UINT64_MAX - kTail) end_ = end + kTail;
  return {};
}

}  // namespace netpoll::probes
