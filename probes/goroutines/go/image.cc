// Maps the file and finds the address at which it was loaded.
#include "probes/goroutines/go/image.h"

#include <string>

#include "probes/process/elf/elf_files.h"

namespace netpoll::probes {
namespace {

// What is added to the addresses of the file: a mapping of it tells, since segments keep their distances.
std::optional<std::uint64_t> find_bias(Subject& subject, const ElfFile& file, const std::string& path) {
  for (const Elf64_Phdr& h : file.program_headers()) {
    if (h.p_type != PT_LOAD || h.p_filesz == 0) continue;
    for (const Mapping& m : subject.mappings()) {
      // On some overlay file systems the inodes differ, in some containers the paths.
      if (m.path != path && m.inode != file.inode()) continue;
      if (h.p_offset < m.file_offset || h.p_offset - m.file_offset >= m.end - m.start) continue;
      return m.start + (h.p_offset - m.file_offset) - h.p_vaddr;
    }
    break;  // the first decides: one offset may be mapped twice, by the ends of two segments
  }
  return std::nullopt;
}

}  // namespace

Result<Image> Image::open(Subject& subject) {
  auto file = subject.elf_files()->open_executable();
  if (!file) return std::move(file).error();
  return of(subject, std::move(*file), subject.executable_path());
}

Result<Image> Image::open(Subject& subject, const Mapping& library) {
  auto file = subject.elf_files()->open(library);
  if (!file) return std::move(file).error();
  return of(subject, std::move(*file), library.path);
}

Result<Image> Image::of(Subject& subject, ElfFile file, const std::string& path) {
  const auto bias = find_bias(subject, file, path);
  if (!bias) {
    return Error(ErrorKind::kNotSupported, subject.name() + ": " + (path.empty() ? "its executable" : path) +
                                               " is not mapped as the file's headers say (packed?)");
  }
  return Image(std::move(file), *bias);
}

Bytes Image::at(std::uint64_t address) const {
  const std::uint64_t unrelocated = address - bias_;
  for (const Elf64_Phdr& h : file_.program_headers()) {
    if (h.p_type != PT_LOAD || unrelocated < h.p_vaddr || unrelocated - h.p_vaddr >= h.p_filesz) continue;
    return Bytes(file_.contents(h)).from(unrelocated - h.p_vaddr);
  }
  return {};
}

Bytes Image::at(const AddressRange& range) const {
  if (range.end < range.begin) return {};
  const Bytes bytes = at(range.begin);
  return bytes.size() < range.end - range.begin ? Bytes() : bytes.first(range.end - range.begin);
}

std::optional<AddressRange> Image::section(std::string_view name) const {
  const ElfSection* found = file_.find_section(name);
  if (found == nullptr || found->address == 0 || found->size == 0) return std::nullopt;
  const std::uint64_t begin = found->address + bias_;
  if (begin + found->size < begin) return std::nullopt;
  return AddressRange{begin, begin + found->size};
}

std::vector<AddressRange> Image::segments(std::uint32_t flags) const {
  std::vector<AddressRange> found;
  for (const Elf64_Phdr& h : file_.program_headers()) {
    const std::uint64_t begin = h.p_vaddr + bias_;
    if (h.p_type == PT_LOAD && (h.p_flags & flags) == flags && begin + h.p_memsz > begin) {
      found.push_back({begin, begin + h.p_memsz});
    }
  }
  return found;
}

}  // namespace netpoll::probes
