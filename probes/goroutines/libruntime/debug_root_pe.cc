// Walks the sections of the target's PE images: the first word of ".netpoll" is the address of its DebugRoot
// (libruntime/debug/root_pe.cc).
#include <windows.h>

#include <cstring>

#include "probes/goroutines/libruntime/debug_root.h"

namespace netpoll::probes {
namespace {

constexpr char kSection[IMAGE_SIZEOF_SHORT_NAME + 1] = ".netpoll";
// Real images stay far below.
constexpr std::size_t kMaxSections = 512;

}  // namespace

Result<std::uint64_t> debug_root_of_image(Memory& memory, const Mapping& image) {
  IMAGE_DOS_HEADER dos;
  IMAGE_NT_HEADERS64 nt;
  auto read = memory.try_read(image.start, &dos, sizeof dos);
  if (!read || !*read || dos.e_magic != IMAGE_DOS_SIGNATURE || dos.e_lfanew <= 0) {
    return read ? Result<std::uint64_t>(0) : std::move(read).error();
  }
  const std::uint64_t at = image.start + static_cast<std::uint64_t>(dos.e_lfanew);
  read = memory.try_read(at, &nt, sizeof nt);
  if (!read || !*read || nt.Signature != IMAGE_NT_SIGNATURE ||
      nt.OptionalHeader.Magic != IMAGE_NT_OPTIONAL_HDR64_MAGIC || nt.FileHeader.NumberOfSections > kMaxSections) {
    return read ? Result<std::uint64_t>(0) : std::move(read).error();
  }
  std::vector<IMAGE_SECTION_HEADER> sections(nt.FileHeader.NumberOfSections);
  const std::uint64_t table = at + offsetof(IMAGE_NT_HEADERS64, OptionalHeader) + nt.FileHeader.SizeOfOptionalHeader;
  read = memory.try_read(table, sections.data(), sections.size() * sizeof(IMAGE_SECTION_HEADER));
  if (!read) return std::move(read).error();
  if (!*read) return std::uint64_t{0};
  for (const IMAGE_SECTION_HEADER& section : sections) {
    if (std::memcmp(section.Name, kSection, IMAGE_SIZEOF_SHORT_NAME) != 0) continue;
    std::uint64_t root = 0;
    read = memory.try_read(image.start + section.VirtualAddress, &root, sizeof root);
    if (!read) return std::move(read).error();
    return *read ? root : 0;
  }
  return std::uint64_t{0};
}

}  // namespace netpoll::probes
