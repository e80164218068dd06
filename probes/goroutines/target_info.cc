#include "probes/goroutines/target_info.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>

#include "probes/goroutines/libruntime/runtime_finder.h"
#include "probes/process/elf_file.h"
#include "probes/process/memory.h"

namespace netpoll::probes {
namespace {

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<std::string> link_target(const std::string& path) {
  std::array<char, PATH_MAX> text;
  const ssize_t size = readlink(path.c_str(), text.data(), text.size());
  if (size < 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

// .go.buildinfo: 14 bytes of magic, pointer size, flags; with flag 2 (Go 1.18 and later) a varint and the version text
// follow at byte 32.
std::string version_in_buildinfo(std::span<const std::byte> section) {
  static constexpr std::string_view kMagic = "\xff Go buildinf:";
  if (section.size() < 33 || std::memcmp(section.data(), kMagic.data(), kMagic.size()) != 0) return {};
  if ((std::to_integer<unsigned>(section[15]) & 2U) == 0) return {};
  std::size_t length = 0;
  std::size_t at = 32;
  for (unsigned shift = 0; at < section.size() && shift < 28; shift += 7) {
    const auto byte = std::to_integer<unsigned>(section[at++]);
    length |= std::size_t{byte & 0x7fU} << shift;
    if (byte < 0x80) break;
  }
  if (length > section.size() - at) return {};
  const std::string text(reinterpret_cast<const char*>(section.data()) + at, length);
  return text.starts_with("go") ? text : std::string();
}

// Go's linker gives every program a note "Go" with its build id.
bool has_go_note(const ElfFile& file) {
  for (const Elf64_Phdr& h : file.program_headers()) {
    if (h.p_type != PT_NOTE) continue;
    const auto notes = file.contents(h);
    Elf64_Nhdr note;
    if (notes.size() < sizeof(note) + 4) continue;
    std::memcpy(&note, notes.data(), sizeof(note));
    if (note.n_namesz == 4 && note.n_type == 4 && std::memcmp(notes.data() + sizeof(note), "Go\0", 4) == 0) return true;
  }
  return false;
}

// libruntime's version, when the process carries its note. Nothing when it does not; an Error when we may not look.
Result<std::optional<std::string>> libruntime_version(pid_t pid) {
  auto subject = make_live_subject(pid);
  if (!subject) return std::move(subject).error();
  auto views = find_runtime_views(**subject);
  if (!views) {
    // The note is there, but we do not understand what it points to.
    const ErrorKind kind = views.error().kind();
    if (kind == ErrorKind::kNotSupported || kind == ErrorKind::kProtocol) return std::optional(std::string());
    return std::move(views).error();
  }
  return views->empty() ? std::nullopt : std::optional(views->front().runtime_version());
}

std::optional<std::string> unless_empty(std::string text) {
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

}  // namespace

std::string_view target_kind_name(TargetKind kind) {
  switch (kind) {
    case TargetKind::kLibruntime:
      return "libruntime";
    case TargetKind::kGo:
      return "go";
    case TargetKind::kOther:
      break;
  }
  return "other";
}

std::optional<std::string> go_version_of(const std::string& path) {
  auto file = ElfFile::open(path);
  if (!file) return std::nullopt;
  if (const ElfSection* section = file->find_section(".go.buildinfo")) return version_in_buildinfo(section->data);
  if (file->find_section(".gopclntab") != nullptr || has_go_note(*file)) return std::string();
  return std::nullopt;
}

Result<TargetInfo> describe_target(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  TargetInfo info;
  info.pid = pid;
  info.comm = first_line(proc + "/comm");
  if (!info.comm) return process_error(pid, ESRCH);
  info.exe = link_target(proc + "/exe");
  auto version = libruntime_version(pid);
  if (!version) {
    // A kernel thread or a zombie has a name and no memory.
    if (version.error().is(ErrorKind::kNotFound)) info.kind = TargetKind::kOther;
    return info;
  }
  if (version->has_value()) {
    info.kind = TargetKind::kLibruntime;
    info.runtime_version = unless_empty(std::move(**version));
  } else if (auto go = go_version_of(proc + "/exe")) {
    info.kind = TargetKind::kGo;
    info.runtime_version = unless_empty(std::move(*go));
  } else {
    info.kind = TargetKind::kOther;
  }
  return info;
}

}  // namespace netpoll::probes
