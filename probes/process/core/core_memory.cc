// Reads pieces of memory from a core, and from mapped files of the build that ran.
#include "probes/process/core/core_memory.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>

#include "probes/process/elf/elf_notes.h"

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kMaxFileHeaders = 256;  // of a mapped file
constexpr std::uint64_t kMaxFileNotes = 64 << 10;

using ReadAt = std::function<bool(std::uint64_t offset, void* into, std::uint64_t size)>;

// Of the ELF file whose bytes read_at gives.
BuildIds build_ids(const ReadAt& read_at) {
  constexpr std::uint32_t kGoBuildId = 4;  // cmd/internal/buildid/note.go
  BuildIds ids;
  Elf64_Ehdr header;
  if (!read_at(0, &header, sizeof(header)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return ids;
  }
  const std::uint64_t count = std::min<std::uint64_t>(header.e_phnum, kMaxFileHeaders);
  for (std::uint64_t i = 0; i < count; ++i) {
    Elf64_Phdr segment;
    if (!read_at(header.e_phoff + i * sizeof(segment), &segment, sizeof(segment))) return ids;
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMaxFileNotes) continue;
    std::vector<std::byte> notes(segment.p_filesz);
    if (!read_at(segment.p_offset, notes.data(), notes.size())) continue;
    if (ids.linker.empty()) ids.linker = build_id_in(notes);
    ElfNotes reader(notes);
    while (const auto note = reader.next()) {
      if (note->owner == "Go" && note->type == kGoBuildId) ids.go = text_up_to_nul(note->body);
    }
  }
  return ids;
}

}  // namespace

std::optional<std::pair<std::string, std::string>> difference(const BuildIds& core, const BuildIds& file) {
  if (!core.linker.empty() && !file.linker.empty() && core.linker != file.linker) {
    return std::pair(core.linker, file.linker);
  }
  if (!core.go.empty() && !file.go.empty() && core.go != file.go) return std::pair(core.go, file.go);
  return std::nullopt;
}

Result<void> CoreMemory::read_batch(std::span<ReadPiece> pieces) {
  for (ReadPiece& piece : pieces) piece.done = read_piece(piece.address, piece.into, piece.size, /*files_too=*/true);
  return {};
}

BuildIds CoreMemory::build_ids_in_core(const std::string& path) {
  const auto first = std::find_if(mappings_.begin(), mappings_.end(),
                                  [&](const Mapping& m) { return m.path == path && m.file_offset == 0; });
  if (first == mappings_.end()) return {};
  return build_ids([&](std::uint64_t offset, void* into, std::uint64_t size) {
    const std::uint64_t mapped = first->end - first->start;
    if (offset > mapped || size > mapped - offset) return false;
    return read_piece(first->start + offset, into, size, /*files_too=*/false);
  });
}

bool CoreMemory::same_build(MappedFile& file, const std::string& path_in_core) {
  if (!file.same_build) {
    file.same_build = !difference(build_ids_in_core(path_in_core), build_ids_of(file)).has_value();
  }
  return *file.same_build;
}

BuildIds CoreMemory::build_ids_of(MappedFile& file) {
  const RegularFile* opened = file.file();
  if (opened == nullptr) return {};
  return build_ids(
      [&](std::uint64_t offset, void* into, std::uint64_t size) { return opened->read(offset, into, size); });
}

bool CoreMemory::read_piece(std::uint64_t address, void* into, std::uint64_t size, bool files_too) {
  if (address + size < address) return false;
  auto* to = static_cast<std::byte*>(into);
  while (size > 0) {
    std::uint64_t n = read_from_core(address, to, size);
    if (n == 0 && files_too) n = read_from_file(address, to, size);
    if (n == 0) return false;
    address += n;
    to += n;
    size -= n;
  }
  return true;
}

std::uint64_t CoreMemory::read_from_core(std::uint64_t address, std::byte* into, std::uint64_t size) const {
  const CoreLoad* load = load_at(address);
  if (load == nullptr || address - load->address >= load->held) return 0;
  const std::uint64_t skip = address - load->address;
  const std::uint64_t n = std::min(size, load->held - skip);
  return load->offset + skip >= load->offset && core_.read(load->offset + skip, into, n) ? n : 0;
}

std::uint64_t CoreMemory::read_from_file(std::uint64_t address, std::byte* into, std::uint64_t size) {
  std::uint64_t end = UINT64_MAX;
  if (const CoreLoad* load = load_at(address)) {
    // What the core claims to hold and does not was cut off: the file may have it in another state.
    if (address - load->address < load->held) return 0;
    end = load->address + load->size;
  } else if (const auto next = next_load(address); next != loads_.end()) {
    end = next->address;
  }
  const Mapping* m = find_mapping(mappings_, address);
  if (m == nullptr) return 0;
  MappedFile& file = files_.at(m->path);
  if (file.file() == nullptr || !same_build(file, m->path)) return 0;
  const std::uint64_t n = std::min({size, m->end - address, end - address});
  const std::uint64_t offset = m->file_offset + (address - m->start);
  return offset >= m->file_offset && file.file()->read(offset, into, n) ? n : 0;
}

std::vector<CoreLoad>::const_iterator CoreMemory::next_load(std::uint64_t address) const {
  return std::upper_bound(loads_.begin(), loads_.end(), address,
                          [](std::uint64_t a, const CoreLoad& load) { return a < load.address; });
}

const CoreLoad* CoreMemory::load_at(std::uint64_t address) const {
  const auto after = next_load(address);
  if (after == loads_.begin()) return nullptr;
  const CoreLoad& load = *std::prev(after);
  return address - load.address < load.size ? &load : nullptr;
}

}  // namespace netpoll::probes
