// Walks the notes of the target's ELF images.
#include "probes/goroutines/libruntime/debug_root.h"

#include <elf.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "netpoll/debug/abi.h"
#include "probes/process/elf/elf_notes.h"

namespace netpoll::probes {
namespace {

// Bounds on what an image may claim; real ones stay far below.
constexpr std::size_t kMaxHeaders = 512;
constexpr std::size_t kMaxNoteBytes = 1 << 20;

bool is_native_elf(const Elf64_Ehdr& header) {
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_ident[EI_DATA] == (std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB) &&
         header.e_phentsize == sizeof(Elf64_Phdr) && header.e_phnum > 0 && header.e_phnum <= kMaxHeaders;
}

// What has to be added to a virtual address of the image, given where its file offset 0 is mapped.
std::optional<std::uint64_t> load_bias(std::span<const Elf64_Phdr> headers, std::uint64_t start) {
  for (const Elf64_Phdr& h : headers) {
    if (h.p_type == PT_LOAD && h.p_offset == 0) return start - h.p_vaddr;
  }
  return std::nullopt;
}

// Reads the program headers of the image at start; empty when there are none that make sense.
Result<std::vector<Elf64_Phdr>> program_headers(Memory& memory, std::uint64_t start, const Elf64_Ehdr& elf) {
  std::vector<Elf64_Phdr> headers(elf.e_phnum);
  ReadPiece piece{.address = start + elf.e_phoff, .into = headers.data(), .size = headers.size() * sizeof(Elf64_Phdr)};
  if (auto r = memory.read_batch({&piece, 1}); !r) return std::move(r).error();
  if (!piece.done) headers.clear();
  return headers;
}

Result<std::uint64_t> debug_root_of_image(Memory& memory, std::uint64_t start, const Elf64_Ehdr& elf) {
  auto headers = program_headers(memory, start, elf);
  if (!headers) return std::move(headers).error();
  const auto bias = load_bias(*headers, start);
  if (!bias) return std::uint64_t{0};
  for (const Elf64_Phdr& h : *headers) {
    if (h.p_type != PT_NOTE || h.p_memsz == 0 || h.p_memsz > kMaxNoteBytes) continue;
    std::vector<std::byte> notes(h.p_memsz);
    ReadPiece piece{.address = *bias + h.p_vaddr, .into = notes.data(), .size = notes.size()};
    if (auto r = memory.read_batch({&piece, 1}); !r) return std::move(r).error();
    if (!piece.done) continue;
    if (const auto root = debug_root_in_notes(notes, piece.address, h.p_align); root != 0) return root;
  }
  return std::uint64_t{0};
}

}  // namespace

std::uint64_t debug_root_in_notes(std::span<const std::byte> notes, std::uint64_t address, std::uint64_t align) {
  ElfNotes reader(notes, align);
  while (const auto note = reader.next()) {
    if (note->type != debug::kNoteType || note->owner != debug::kNoteName) continue;
    std::int64_t distance;
    if (note->body.size() < sizeof(distance)) continue;
    std::memcpy(&distance, note->body.data(), sizeof(distance));
    const auto body_at = static_cast<std::uint64_t>(note->body.data() - notes.data());
    return address + body_at + static_cast<std::uint64_t>(distance);
  }
  return 0;
}

Result<std::vector<std::uint64_t>> find_debug_roots(Memory& memory, const std::vector<Mapping>& mappings) {
  // An image starts where offset 0 of its file is mapped.
  std::vector<std::uint64_t> starts;
  for (const Mapping& m : mappings) {
    if (m.file_offset == 0 && m.end - m.start >= sizeof(Elf64_Ehdr)) starts.push_back(m.start);
  }
  std::vector<Elf64_Ehdr> elves(starts.size());
  std::vector<ReadPiece> pieces(starts.size());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    pieces[i] = {.address = starts[i], .into = &elves[i], .size = sizeof(Elf64_Ehdr)};
  }
  if (auto r = memory.read_batch(pieces); !r) return std::move(r).error();

  std::vector<std::uint64_t> roots;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    if (!pieces[i].done || !is_native_elf(elves[i])) continue;
    auto root = debug_root_of_image(memory, starts[i], elves[i]);
    if (!root) return std::move(root).error();
    if (*root != 0 && std::find(roots.begin(), roots.end(), *root) == roots.end()) roots.push_back(*root);
  }
  return roots;
}

}  // namespace netpoll::probes
