// Image: the executable of a subject, or a library, as it was loaded: its read-only bytes by address, its segments and
// sections.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/result.h"
#include "probes/process/bytes.h"
#include "probes/process/elf/elf_file.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

struct AddressRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  bool holds(std::uint64_t address) const { return begin <= address && address < end; }
};

// Addresses are those of the subject, after relocation. Immutable.
class Image {
 public:
  // Errors: those of Subject::open_executable, and kNotSupported where the executable is not mapped as its headers say
  // (packed, or another file by now).
  static Result<Image> open(Subject& subject);
  // Of a library, one of whose mappings it is.
  static Result<Image> open(Subject& subject, const Mapping& library);

  const ElfFile& file() const { return file_; }

  // The file's bytes that are mapped at address, to the end of their segment. In a segment that is not writable memory
  // has the same, but for what relocation changed. Empty where the file backs nothing.
  Bytes at(std::uint64_t address) const;
  // The same, of a whole range; empty unless the file backs all of it.
  Bytes at(const AddressRange& range) const;

  std::optional<AddressRange> section(std::string_view name) const;
  // The segments (PT_LOAD) in memory, in file order, that have all of these flags (PF_W).
  std::vector<AddressRange> segments(std::uint32_t flags = 0) const;

 private:
  static Result<Image> of(Subject& subject, ElfFile file, const std::string& path);
  Image(ElfFile file, std::uint64_t bias) : file_(std::move(file)), bias_(bias) {}

  ElfFile file_;
  std::uint64_t bias_;
};

}  // namespace netpoll::probes
