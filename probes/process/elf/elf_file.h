// ElfFile: an ELF file, mapped for reading, whose tables are checked before anything follows them: the file is the
// target's, and may be anything.
#pragma once

#include <elf.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/result.h"

namespace netpoll::probes {

struct ElfSection {
  std::string_view name;  // points into the file
  std::uint32_t type = 0;
  std::uint32_t link = 0;           // index of the related section
  std::uint64_t address = 0;        // before relocation; 0: not loaded
  std::uint64_t size = 0;           // in memory
  std::span<const std::byte> data;  // empty for SHT_NOBITS, and when the header points outside of the file
};

// Immutable once opened; views into it are valid as long as it lives. A file that another process truncates while it
// is mapped faults on access (mmap(2)), so sections are for files that are being executed, which the kernel protects
// from writing (ETXTBSY).
class ElfFile {
 public:
  // kProtocol when path is no 64-bit ELF file of this machine's byte order.
  static Result<ElfFile> open(const std::string& path);
  ElfFile(ElfFile&& other) noexcept;
  ElfFile& operator=(ElfFile&&) = delete;
  ~ElfFile();

  const std::string& path() const { return path_; }  // that it was opened by
  std::uint64_t inode() const { return inode_; }
  std::uint16_t machine() const { return machine_; }  // EM_X86_64, EM_AARCH64, ...
  // In file order; empty when the section headers were stripped.
  const std::vector<ElfSection>& sections() const { return sections_; }
  const ElfSection* find_section(std::string_view name) const;
  const std::vector<Elf64_Phdr>& program_headers() const { return program_headers_; }
  // The virtual address (before relocation) of what stands at a file offset; nothing when it is not loaded.
  std::optional<std::uint64_t> address_of(std::uint64_t file_offset) const;
  // Contents of a segment as far as they lie in the file.
  std::span<const std::byte> contents(const Elf64_Phdr& segment) const;

 private:
  ElfFile(std::string path, std::span<const std::byte> bytes, std::uint64_t inode);
  std::span<const std::byte> slice(std::uint64_t offset, std::uint64_t size) const;
  void read_sections(const Elf64_Ehdr& header);

  std::string path_;
  std::span<const std::byte> bytes_;
  std::uint64_t inode_;
  std::uint16_t machine_ = EM_NONE;
  std::vector<ElfSection> sections_;
  std::vector<Elf64_Phdr> program_headers_;
};

}  // namespace netpoll::probes
