// ElfNotes: the notes in a section or segment of an ELF file or core, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace netpoll::probes {

struct ElfNote {
  std::uint32_t type = 0;
  std::string_view owner;  // without its NUL
  std::span<const std::byte> body;
};

// Format: elf(5), "Notes (Nhdr)". The bytes may be anything, and outlive what is read of them.
class ElfNotes {
 public:
  // align: of the segment (p_align): names and bodies are padded to 8 bytes where it is 8, else to 4.
  explicit ElfNotes(std::span<const std::byte> bytes, std::uint64_t align = 4)
      : bytes_(bytes), unit_(align == 8 ? 8 : 4) {}

  // Nothing at the end, and where the rest is no whole note. The padding of the last one may be missing.
  std::optional<ElfNote> next();

 private:
  std::uint64_t padded(std::uint64_t offset) const { return (offset + unit_ - 1) / unit_ * unit_; }

  std::span<const std::byte> bytes_;
  std::uint64_t unit_;
  std::uint64_t at_ = 0;
};

// Text up to its NUL, or to the end.
std::string text_up_to_nul(std::span<const std::byte> bytes);

// NT_GNU_BUILD_ID among notes, as hexadecimal digits; empty: there is none.
std::string build_id_in(std::span<const std::byte> notes);

}  // namespace netpoll::probes
