// Takes notes apart, and checks each size against what is there.
#include "probes/process/elf/elf_notes.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

namespace netpoll::probes {

std::optional<ElfNote> ElfNotes::next() {
  Elf64_Nhdr header;
  if (at_ > bytes_.size() || bytes_.size() - at_ < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes_.data() + at_, sizeof(header));
  const std::uint64_t owner_at = at_ + sizeof(header);
  const std::uint64_t body_at = padded(owner_at + header.n_namesz);
  const std::uint64_t end = body_at + header.n_descsz;
  if (owner_at + header.n_namesz > bytes_.size() || (header.n_descsz > 0 && end > bytes_.size())) return std::nullopt;
  const auto* owner = reinterpret_cast<const char*>(bytes_.data() + owner_at);
  ElfNote note{header.n_type, {owner, strnlen(owner, header.n_namesz)}, {}};
  if (header.n_descsz > 0) note.body = bytes_.subspan(body_at, header.n_descsz);
  at_ = padded(end);
  return note;
}

std::string text_up_to_nul(std::span<const std::byte> bytes) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  return {text, strnlen(text, bytes.size())};
}

std::string build_id_in(std::span<const std::byte> notes) {
  ElfNotes reader(notes);
  while (const auto note = reader.next()) {
    if (note->type != NT_GNU_BUILD_ID || note->owner != "GNU") continue;
    std::string digits;
    for (const std::byte b : note->body) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      digits += kDigits[std::to_integer<unsigned>(b) >> 4U];
      digits += kDigits[std::to_integer<unsigned>(b) & 15U];
    }
    return digits;
  }
  return {};
}

}  // namespace netpoll::probes
