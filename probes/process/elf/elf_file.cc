// Maps an ELF file, and checks each table against its size.
#include "probes/process/elf/elf_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "netpoll/fd.h"

namespace netpoll::probes {
namespace {

constexpr std::size_t kMaxHeaders = 1 << 16;

bool is_native_elf(const Elf64_Ehdr& header) {
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_ident[EI_DATA] == (std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB);
}

// Copies the table of `count` entries that starts with bytes; the file promises no alignment.
template <typename T>
std::vector<T> copy_table(std::span<const std::byte> bytes, std::size_t count) {
  if (bytes.size() < count * sizeof(T)) return {};
  std::vector<T> table(count);
  if (count > 0) std::memcpy(table.data(), bytes.data(), count * sizeof(T));
  return table;
}

std::string_view string_at(std::span<const std::byte> strings, std::uint64_t offset) {
  if (offset >= strings.size()) return {};
  const auto* text = reinterpret_cast<const char*>(strings.data()) + offset;
  return {text, strnlen(text, strings.size() - offset)};
}

}  // namespace

Result<ElfFile> ElfFile::open(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return posix_error("open " + path, errno);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return posix_error("stat " + path, errno);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size < sizeof(Elf64_Ehdr)) return Error(ErrorKind::kProtocol, path + ": not ELF");
  void* memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (memory == MAP_FAILED) return posix_error("map " + path, errno);
  ElfFile file(path, {static_cast<const std::byte*>(memory), size}, status.st_ino);

  Elf64_Ehdr header;
  std::memcpy(&header, memory, sizeof(header));
  if (!is_native_elf(header)) return Error(ErrorKind::kProtocol, path + ": not an ELF file of this machine");
  if (header.e_phentsize == sizeof(Elf64_Phdr)) {
    file.program_headers_ = copy_table<Elf64_Phdr>(
        file.slice(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr)), header.e_phnum);
  }
  file.machine_ = header.e_machine;
  file.read_sections(header);
  return file;
}

ElfFile::ElfFile(std::string path, std::span<const std::byte> bytes, std::uint64_t inode)
    : path_(std::move(path)), bytes_(bytes), inode_(inode) {}

ElfFile::ElfFile(ElfFile&& other) noexcept
    : path_(std::move(other.path_)),
      bytes_(std::exchange(other.bytes_, {})),
      inode_(other.inode_),
      machine_(other.machine_),
      sections_(std::move(other.sections_)),
      program_headers_(std::move(other.program_headers_)) {}

ElfFile::~ElfFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

std::span<const std::byte> ElfFile::slice(std::uint64_t offset, std::uint64_t size) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset) return {};
  return bytes_.subspan(offset, size);
}

void ElfFile::read_sections(const Elf64_Ehdr& header) {
  if (header.e_shoff == 0 || header.e_shentsize != sizeof(Elf64_Shdr)) return;
  const auto first = copy_table<Elf64_Shdr>(slice(header.e_shoff, sizeof(Elf64_Shdr)), 1);
  if (first.empty()) return;
  // Counts that do not fit the header's 16 bits stand in section 0 (elf(5)).
  const std::uint64_t count = header.e_shnum != 0 ? header.e_shnum : first[0].sh_size;
  const std::uint64_t names_index = header.e_shstrndx != SHN_XINDEX ? header.e_shstrndx : first[0].sh_link;
  if (count == 0 || count > kMaxHeaders || names_index >= count) return;
  const auto table = copy_table<Elf64_Shdr>(slice(header.e_shoff, count * sizeof(Elf64_Shdr)), count);
  if (table.empty()) return;
  const auto names = slice(table[names_index].sh_offset, table[names_index].sh_size);
  for (const Elf64_Shdr& s : table) {
    sections_.push_back(
        {.name = string_at(names, s.sh_name),
         .type = s.sh_type,
         .link = s.sh_link,
         .address = s.sh_addr,
         .size = s.sh_size,
         .data = s.sh_type == SHT_NOBITS ? std::span<const std::byte>{} : slice(s.sh_offset, s.sh_size)});
  }
}

const ElfSection* ElfFile::find_section(std::string_view name) const {
  for (const ElfSection& s : sections_) {
    if (s.name == name) return &s;
  }
  return nullptr;
}

std::optional<std::uint64_t> ElfFile::address_of(std::uint64_t file_offset) const {
  for (const Elf64_Phdr& h : program_headers_) {
    if (h.p_type == PT_LOAD && file_offset >= h.p_offset && file_offset - h.p_offset < h.p_filesz) {
      return h.p_vaddr + (file_offset - h.p_offset);
    }
  }
  return std::nullopt;
}

std::span<const std::byte> ElfFile::contents(const Elf64_Phdr& segment) const {
  return slice(segment.p_offset, segment.p_filesz);
}

}  // namespace netpoll::probes
