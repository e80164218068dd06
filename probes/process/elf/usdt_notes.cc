// Parses .note.stapsdt.
#include "probes/process/elf/usdt_notes.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include "netpoll/fd.h"
#include "probes/process/elf/elf_notes.h"

namespace netpoll::probes {
namespace {

constexpr std::uint32_t kStapsdtNote = 3;
// Beyond any real program; stops a hostile header from making us allocate.
constexpr std::size_t kMaxTable = 16u << 20;
constexpr std::size_t kMaxNotes = 64u << 20;

class NotesFile {
 public:
  static Result<NotesFile> open(const std::string& path) {
    NotesFile file;
    file.path_ = path;
    file.fd_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.fd_.valid()) return posix_error("open " + path, errno);
    struct stat info {};
    if (::fstat(file.fd_.get(), &info) != 0) return posix_error("fstat " + path, errno);
    if (!S_ISREG(info.st_mode)) return Error(ErrorKind::kProtocol, path + ": not a regular file");
    file.size_ = static_cast<std::uint64_t>(info.st_size);

    auto& header = file.header_;
    if (!file.read_at(0, &header, sizeof(header)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
      return Error(ErrorKind::kProtocol, path + ": not an ELF file");
    }
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
      return Error(ErrorKind::kNotSupported, path + ": not a 64-bit little-endian program");
    }
    if (header.e_shoff != 0 && header.e_shentsize != sizeof(Elf64_Shdr)) return file.broken("section headers");
    if (header.e_phnum != 0 && header.e_phentsize != sizeof(Elf64_Phdr)) return file.broken("program headers");
    auto segments = file.table<Elf64_Phdr>(header.e_phoff, header.e_phnum);
    if (!segments) return file.broken("program headers");
    file.segments_ = std::move(*segments);
    return file;
  }

  Result<std::vector<Elf64_Shdr>> sections() const {
    if (header_.e_shoff == 0) return std::vector<Elf64_Shdr>{};
    std::uint64_t count = header_.e_shnum;
    if (count == 0) {  // more than 65279 sections: the number is in the first one (elf(5))
      Elf64_Shdr first{};
      if (!read_at(header_.e_shoff, &first, sizeof(first))) return broken("section headers");
      count = first.sh_size;
    }
    auto all = table<Elf64_Shdr>(header_.e_shoff, count);
    if (!all) return broken("section headers");
    return std::move(*all);
  }

  // The contents of a section; nullopt when it exceeds the file.
  std::optional<std::string> contents(const Elf64_Shdr& section) const {
    if (section.sh_type == SHT_NOBITS) return std::string();
    if (section.sh_size > kMaxNotes || !inside(section.sh_offset, section.sh_size)) return std::nullopt;
    std::string bytes(section.sh_size, '\0');
    if (!read_at(section.sh_offset, bytes.data(), bytes.size())) return std::nullopt;
    return bytes;
  }

  std::optional<std::string> section_names(const std::vector<Elf64_Shdr>& sections) const {
    std::size_t index = header_.e_shstrndx;
    if (index == SHN_XINDEX && !sections.empty()) index = sections[0].sh_link;
    if (index >= sections.size()) return std::nullopt;
    return contents(sections[index]);
  }

  // Where in the file the byte lies that is loaded at address.
  std::optional<std::uint64_t> file_offset(std::uint64_t address) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
      const std::uint64_t distance = address - segment.p_vaddr;
      if (distance < segment.p_filesz) return segment.p_offset + distance;
    }
    return std::nullopt;
  }

  Error broken(std::string_view what) const {
    return Error(ErrorKind::kProtocol, path_ + ": damaged ELF file (" + std::string(what) + ")");
  }

 private:
  bool inside(std::uint64_t offset, std::uint64_t length) const { return offset <= size_ && length <= size_ - offset; }

  bool read_at(std::uint64_t offset, void* into, std::size_t length) const {
    if (!inside(offset, length)) return false;
    auto* out = static_cast<char*>(into);
    while (length > 0) {
      const ssize_t n = ::pread(fd_.get(), out, length, static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      out += n;
      offset += static_cast<std::uint64_t>(n);
      length -= static_cast<std::size_t>(n);
    }
    return true;
  }

  template <typename T>
  std::optional<std::vector<T>> table(std::uint64_t offset, std::uint64_t count) const {
    if (count > kMaxTable / sizeof(T) || !inside(offset, count * sizeof(T))) return std::nullopt;
    std::vector<T> rows(count);
    if (count > 0 && !read_at(offset, rows.data(), count * sizeof(T))) return std::nullopt;
    return rows;
  }

  std::string path_;
  Fd fd_;
  std::uint64_t size_ = 0;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
};

// The body of a stapsdt note: probe address, address of .stapsdt.base at link time, semaphore address, then three
// strings: provider, name, arguments.
struct StapsdtBody {
  std::uint64_t location = 0, base = 0, semaphore = 0;
  std::string_view provider, name, args;

  static std::optional<StapsdtBody> parse(std::string_view body) {
    StapsdtBody parsed;
    std::uint64_t words[3];
    if (body.size() < sizeof(words)) return std::nullopt;
    std::memcpy(words, body.data(), sizeof(words));
    body.remove_prefix(sizeof(words));
    const std::size_t provider_end = body.find('\0');
    if (provider_end == std::string_view::npos) return std::nullopt;
    const std::size_t name_end = body.find('\0', provider_end + 1);
    if (name_end == std::string_view::npos) return std::nullopt;
    parsed.location = words[0];
    parsed.base = words[1];
    parsed.semaphore = words[2];
    parsed.provider = body.substr(0, provider_end);
    parsed.name = body.substr(provider_end + 1, name_end - provider_end - 1);
    parsed.args = body.substr(name_end + 1);
    parsed.args = parsed.args.substr(0, parsed.args.find('\0'));
    return parsed;
  }
};

}  // namespace

Result<std::vector<UsdtSite>> read_usdt_sites(const std::string& path, std::string_view provider) {
  auto file = NotesFile::open(path);
  if (!file) return std::move(file).error();
  auto sections = file->sections();
  if (!sections) return std::move(sections).error();

  std::vector<UsdtSite> sites;
  if (sections->empty()) return sites;
  const auto names = file->section_names(*sections);
  if (!names) return file->broken("section names");
  const auto name_of = [&](const Elf64_Shdr& section) -> std::string_view {
    if (section.sh_name >= names->size()) return {};
    const std::string_view rest = std::string_view(*names).substr(section.sh_name);
    return rest.substr(0, rest.find('\0'));
  };

  // prelink moves code without rewriting the notes; the distance of .stapsdt.base from where it was tells by how much.
  std::optional<std::uint64_t> base;
  for (const Elf64_Shdr& section : *sections) {
    if (name_of(section) == ".stapsdt.base") base = section.sh_addr;
  }
  for (const Elf64_Shdr& section : *sections) {
    if (section.sh_type != SHT_NOTE || name_of(section) != ".note.stapsdt") continue;
    const auto bytes = file->contents(section);
    if (!bytes) return file->broken(".note.stapsdt");
    ElfNotes notes(std::as_bytes(std::span(bytes->data(), bytes->size())));
    while (const auto note = notes.next()) {
      if (note->type != kStapsdtNote || note->owner != "stapsdt") continue;
      const auto body = StapsdtBody::parse({reinterpret_cast<const char*>(note->body.data()), note->body.size()});
      if (!body) return file->broken("a stapsdt note");
      if (body->provider != provider) continue;
      const std::uint64_t moved = base && body->base != 0 ? *base - body->base : 0;
      const auto offset = file->file_offset(body->location + moved);
      if (!offset) return file->broken("the address of probe " + std::string(body->name));
      UsdtSite site{std::string(body->name), *offset, 0, std::string(body->args)};
      if (body->semaphore != 0) {
        const auto semaphore = file->file_offset(body->semaphore + moved);
        if (!semaphore) return file->broken("the semaphore of probe " + std::string(body->name));
        site.semaphore_offset = *semaphore;
      }
      sites.push_back(std::move(site));
    }
  }
  return sites;
}

}  // namespace netpoll::probes
