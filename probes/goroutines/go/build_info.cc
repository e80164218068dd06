// Looks for the version in the build information, and in memory where a program has none.
#include "probes/goroutines/go/build_info.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "probes/goroutines/go/memory_scan.h"
#include "probes/process/elf/elf_files.h"
#include "probes/process/elf/elf_notes.h"

namespace netpoll::probes {
namespace {

constexpr std::string_view kMagic = "\xff Go buildinf:";
constexpr std::uint64_t kMaxVersion = 128;
constexpr std::uint32_t kGoBuildIdNote = 4;  // cmd/internal/buildid/note.go

// 14 bytes of magic, pointer size, flags; with flag 2 (Go 1.18 and later) a varint and the version text follow at
// byte 32.
std::string version_in(Bytes info) {
  const auto flags = info.at<std::uint8_t>(15);
  if (info.find(kMagic) != 0 || !flags || (*flags & 2U) == 0) return {};
  std::uint64_t at = 32;
  const auto length = info.uvarint(at);
  if (!length || *length > kMaxVersion || info.from(at).size() < *length) return {};
  const std::string text(reinterpret_cast<const char*>(info.data()) + at, *length);
  return text.starts_with("go") ? text : std::string();
}

// Go's linker gives every program a note "Go" with its build id.
bool has_go_note(const ElfFile& file) {
  for (const Elf64_Phdr& h : file.program_headers()) {
    if (h.p_type != PT_NOTE) continue;
    ElfNotes notes(file.contents(h), h.p_align);
    while (const auto note = notes.next()) {
      if (note->type == kGoBuildIdNote && note->owner == "Go") return true;
    }
  }
  return false;
}

}  // namespace

std::optional<std::string> go_version_of(const ElfFile& file) {
  if (const ElfSection* section = file.find_section(".go.buildinfo")) return version_in(Bytes(section->data));
  if (file.find_section(".gopclntab") != nullptr || has_go_note(file)) return std::string();
  return std::nullopt;
}

const Mapping* find_go_library(Subject& subject) {
  const std::string executable = subject.executable_path();
  for (const Mapping& m : subject.mappings()) {
    // Each file once, by the mapping of its beginning. Devices and what was deleted are not to be opened by name.
    if (m.file_offset != 0 || m.path == executable || !m.path.starts_with('/') || m.path.starts_with("/dev/")) continue;
    const auto file = subject.elf_files()->open(m);
    if (file && go_version_of(*file)) return &m;
  }
  return nullptr;
}

std::string find_build_version(const Image& image, Memory& memory, const ModuleData& module) {
  std::string found;
  const auto visit = [&](Bytes bytes) {
    for (std::uint64_t at = 0; at + 16 <= bytes.size(); at += 8) {
      const std::uint64_t length = *bytes.at<std::uint64_t>(at + 8);
      if (length < 5 || length > kMaxVersion) continue;
      const Bytes text = image.at(*bytes.at<std::uint64_t>(at)).first(length);
      if (text.size() < length) continue;
      const std::string_view version(reinterpret_cast<const char*>(text.data()), length);
      const bool printable = std::all_of(version.begin(), version.end(), [](char c) { return c >= ' ' && c <= '~'; });
      if (!printable || !go_minor(version)) continue;
      found = version;
      return true;
    }
    return false;
  };
  // An unknown version does not matter.
  for (const AddressRange& range : module.initialized()) {
    if (found.empty()) (void)scan_memory(memory, range, 8, visit);
  }
  return found;
}

std::optional<int> go_minor(std::string_view version) {
  constexpr std::string_view kPrefix = "go1.";
  if (!version.starts_with(kPrefix)) return std::nullopt;
  int minor = 0;
  const char* const end = version.data() + version.size();
  const auto [rest, error] = std::from_chars(version.data() + kPrefix.size(), end, minor);
  // "go1.22.5", "go1.22rc1", "go1.22-x" or the end; a list of them ("go1.1go1.2") is no version.
  if (error != std::errc{} || minor < 0 || (rest != end && *rest == 'g')) return std::nullopt;
  return minor;
}

}  // namespace netpoll::probes
