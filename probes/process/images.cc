// Opens the file behind a mapping and computes where it was loaded.
#include "probes/process/images.h"

#include "probes/process/elf/elf_files.h"

namespace netpoll::probes {
namespace {

Result<ElfFile> open_mapped(ElfFiles& files, const Mapping& mapping) {
  // The executable first: that way reaches a deleted or replaced program too.
  auto executable = files.open_executable();
  if (executable && executable->inode() == mapping.inode) return executable;
  return files.open(mapping);
}

}  // namespace

std::optional<symbols::Image> image_at(Subject& subject, std::uint64_t address) {
  const Mapping* mapping = find_mapping(subject.mappings(), address);
  ElfFiles* const files = subject.elf_files();
  if (mapping == nullptr || files == nullptr) return std::nullopt;
  const auto file = open_mapped(*files, *mapping);
  if (!file) return std::nullopt;
  const auto in_file = file->address_of(address - mapping->start + mapping->file_offset);
  if (!in_file) return std::nullopt;
  return symbols::Image{.path = file->path(), .bias = address - *in_file};
}

}  // namespace netpoll::probes
