// Reads the segments and notes of an ELF core, and checks them against the file.
#include "probes/process/core/core_tables.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "probes/process/elf/elf_notes.h"

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kMaxHeaders = 1 << 20;
constexpr std::uint64_t kMaxNotes = std::uint64_t{64} << 20;  // the registers of 50,000 threads

// struct elf_prpsinfo and elf_prstatus of the 64-bit machines (include/linux/elfcore.h).
constexpr std::size_t kInfoPid = 24;
constexpr std::size_t kInfoName = 40;
constexpr std::size_t kInfoNameSize = 16;
constexpr std::size_t kStatusPid = 32;

using Bytes = std::span<const std::byte>;

template <typename T>
std::optional<T> value_at(Bytes bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

// NT_FILE: count, unit of offsets, {begin, end, offset} each, then as many paths that end in NUL (fs/binfmt_elf.c,
// fill_files_note).
std::vector<Mapping> parse_file_note(Bytes note) {
  std::vector<Mapping> mappings;
  const auto count = value_at<std::uint64_t>(note, 0);
  const auto unit = value_at<std::uint64_t>(note, 8);
  constexpr std::uint64_t kHead = 16;
  constexpr std::uint64_t kRow = 24;
  if (!count || !unit || *count > (note.size() - kHead) / kRow) return mappings;
  Bytes paths = note.subspan(kHead + *count * kRow);
  for (std::uint64_t i = 0; i < *count && !paths.empty(); ++i) {
    Mapping m;
    m.start = *value_at<std::uint64_t>(note, kHead + i * kRow);
    m.end = *value_at<std::uint64_t>(note, kHead + i * kRow + 8);
    const std::uint64_t offset = *value_at<std::uint64_t>(note, kHead + i * kRow + 16);
    m.path = text_up_to_nul(paths);
    paths = paths.subspan(std::min(paths.size(), m.path.size() + 1));
    if (m.start >= m.end || m.path.empty() || __builtin_mul_overflow(offset, *unit, &m.file_offset)) continue;
    mappings.push_back(std::move(m));
  }
  std::stable_sort(mappings.begin(), mappings.end(),
                   [](const Mapping& a, const Mapping& b) { return a.start < b.start; });
  return mappings;
}

void add_notes(Bytes bytes, std::uint16_t elf_machine, CoreNotes& notes) {
  ElfNotes reader(bytes);
  while (const auto note = reader.next()) {
    if (note->owner != "CORE" && !note->owner.empty()) continue;  // delve leaves the owner out
    const std::uint32_t type = note->type;
    const Bytes contents = note->body;
    if (type == NT_FILE) notes.mappings = parse_file_note(contents);
    if (type == NT_PRPSINFO && contents.size() >= kInfoName + kInfoNameSize) {
      notes.pid = value_at<std::int32_t>(contents, kInfoPid);
      notes.comm = text_up_to_nul(contents.subspan(kInfoName, kInfoNameSize));
    }
    if (type == NT_PRSTATUS) {
      const auto tid = value_at<std::int32_t>(contents, kStatusPid);
      if (!notes.pid) notes.pid = tid;
      const auto registers = registers_in_status(contents, elf_machine);
      if (tid && registers) notes.threads.emplace(*tid, *registers);
    }
    if (type != NT_AUXV) continue;
    for (std::uint64_t at = 0; at + 16 <= contents.size(); at += 16) {
      const auto key = *value_at<std::uint64_t>(contents, at);
      if (key == AT_PHDR) notes.at_phdr = *value_at<std::uint64_t>(contents, at + 8);
      if (key == AT_ENTRY) notes.at_entry = *value_at<std::uint64_t>(contents, at + 8);
    }
  }
}

Error not_a_core(const std::string& path, const std::string& what) {
  return Error(ErrorKind::kProtocol, path + ": " + what)
      .with_hint("snapshot --core reads ELF cores, as the kernel, gcore and `coredumpctl dump` write them");
}

Result<Elf64_Ehdr> read_header(const RegularFile& core, const std::string& path) {
  std::array<unsigned char, 4> magic{};
  if (!core.read(0, magic.data(), magic.size())) return not_a_core(path, "too short for a core");
  if (std::memcmp(magic.data(), ELFMAG, SELFMAG) != 0) return not_a_core(path, "not a core: it is not ELF");
  Elf64_Ehdr header{};
  if (!core.read(0, &header, EI_NIDENT)) return not_a_core(path, "the core is cut off in its header");
  if (header.e_ident[EI_CLASS] == ELFCLASS32) {
    return Error(ErrorKind::kNotSupported, path + ": a core of a 32-bit program")
        .with_hint("64-bit programs can be read");
  }
  if (!core.read(0, &header, sizeof(header))) return not_a_core(path, "the core is cut off in its header");
  constexpr auto kNative = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  if (header.e_ident[EI_DATA] != kNative || (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64)) {
    return Error(ErrorKind::kNotSupported,
                 path + ": of another machine (ELF machine " + std::to_string(header.e_machine) + ")")
        .with_hint("cores of x86-64 and 64-bit ARM can be read");
  }
  if (header.e_type != ET_CORE) return not_a_core(path, "an ELF file, but not a core");
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return not_a_core(path, "the core's headers make no sense");
  return header;
}

}  // namespace

Result<CoreTables> read_core_tables(const RegularFile& core, const std::string& path) {
  const auto header = read_header(core, path);
  if (!header) return header.error();
  std::uint64_t count = header->e_phnum;
  if (count == PN_XNUM) {  // too many for the field: section 0 tells (elf(5))
    Elf64_Shdr first;
    if (!core.read(header->e_shoff, &first, sizeof(first))) return not_a_core(path, "the core is cut off");
    count = first.sh_info;
  }
  if (count > kMaxHeaders) return not_a_core(path, "the core's headers make no sense");
  std::vector<Elf64_Phdr> segments(count);
  if (!core.read(header->e_phoff, segments.data(), count * sizeof(Elf64_Phdr))) {
    return not_a_core(path, "the core is cut off in its table of segments");
  }
  CoreTables tables;
  std::uint64_t notes_left = kMaxNotes;
  for (const Elf64_Phdr& s : segments) {
    if (s.p_type == PT_NOTE) {
      if (s.p_filesz > notes_left) return not_a_core(path, "the core's headers make no sense");
      notes_left -= s.p_filesz;
      std::vector<std::byte> bytes(s.p_filesz);
      // gcore writes them last: what the executable tells may do in their place.
      if (!core.read(s.p_offset, bytes.data(), bytes.size())) {
        tables.cut_short = true;
        continue;
      }
      add_notes(bytes, header->e_machine, tables.notes);
    }
    if (s.p_type != PT_LOAD || s.p_memsz == 0 || s.p_vaddr + s.p_memsz < s.p_vaddr) continue;
    CoreLoad load{
        .address = s.p_vaddr, .size = s.p_memsz, .offset = s.p_offset, .held = std::min(s.p_filesz, s.p_memsz)};
    if (load.offset > core.size() || load.held > core.size() - load.offset) tables.cut_short = true;
    tables.loads.push_back(load);
  }
  std::stable_sort(tables.loads.begin(), tables.loads.end(),
                   [](const CoreLoad& a, const CoreLoad& b) { return a.address < b.address; });
  if (tables.loads.empty()) return not_a_core(path, "the core holds no memory");
  return tables;
}

}  // namespace netpoll::probes
