// Reads an ELF core: its segments, its notes, and the files that stand in for what it leaves out.
#include "probes/process/core_subject.h"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <utility>

#include "probes/process/archive/core_archive.h"
#include "probes/process/regular_file.h"
#include "probes/process/saved_descriptors.h"

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kMaxHeaders = 1 << 20;
constexpr std::uint64_t kMaxNotes = std::uint64_t{64} << 20;  // the registers of 50,000 threads
constexpr std::uint64_t kMaxFileHeaders = 256;                // of a mapped file
constexpr std::uint64_t kMaxFileNotes = 64 << 10;
constexpr std::uint64_t kMadeUpInode = std::uint64_t{1} << 63U;  // and following: of files that are not there

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

// Text up to its NUL, or to the end.
std::string text_of(Bytes bytes) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  return {text, strnlen(text, bytes.size())};
}

// Calls visit(name, type, contents) for each note, as far as they are whole.
template <typename Visit>
void for_each_note(Bytes notes, const Visit& visit) {
  std::uint64_t at = 0;
  while (const auto note = value_at<Elf64_Nhdr>(notes, at)) {
    const std::uint64_t name = at + sizeof(*note);
    const std::uint64_t contents = name + ((std::uint64_t{note->n_namesz} + 3) & ~std::uint64_t{3});
    const std::uint64_t end = contents + note->n_descsz;
    if (end > notes.size()) return;
    visit(text_of(notes.subspan(name, note->n_namesz)), note->n_type, notes.subspan(contents, note->n_descsz));
    at = (end + 3) & ~std::uint64_t{3};
  }
}

// What tells one build of a file from another. Empty: it has none, or the page with it is not there.
struct BuildIds {
  std::string linker;  // hexadecimal digits of NT_GNU_BUILD_ID
  std::string go;      // as `go tool buildid` prints it
};

using ReadAt = std::function<bool(std::uint64_t offset, void* into, std::uint64_t size)>;

// Of the ELF file whose bytes read_at gives.
BuildIds build_ids(const ReadAt& read_at) {
  constexpr std::uint32_t kGoBuildId = 4;  // cmd/internal/buildid/note.go
  BuildIds ids;
  Elf64_Ehdr header;
  if (!read_at(0, &header, sizeof(header)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return ids;
  }
  const std::uint64_t count = std::min<std::uint64_t>(header.e_phnum, kMaxFileHeaders);
  for (std::uint64_t i = 0; i < count; ++i) {
    Elf64_Phdr segment;
    if (!read_at(header.e_phoff + i * sizeof(segment), &segment, sizeof(segment))) return ids;
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMaxFileNotes) continue;
    std::vector<std::byte> notes(segment.p_filesz);
    if (!read_at(segment.p_offset, notes.data(), notes.size())) continue;
    for_each_note(notes, [&](const std::string& name, std::uint32_t type, Bytes contents) {
      if (name == "GNU" && type == NT_GNU_BUILD_ID) {
        ids.linker.clear();
        for (const std::byte b : contents) {
          constexpr std::string_view kDigits = "0123456789abcdef";
          ids.linker += kDigits[std::to_integer<unsigned>(b) >> 4U];
          ids.linker += kDigits[std::to_integer<unsigned>(b) & 15U];
        }
      } else if (name == "Go" && type == kGoBuildId) {
        ids.go = text_of(contents);
      }
    });
  }
  return ids;
}

// The two ids that differ, of the core and of the file.
std::optional<std::pair<std::string, std::string>> difference(const BuildIds& core, const BuildIds& file) {
  if (!core.linker.empty() && !file.linker.empty() && core.linker != file.linker) {
    return std::pair(core.linker, file.linker);
  }
  if (!core.go.empty() && !file.go.empty() && core.go != file.go) return std::pair(core.go, file.go);
  return std::nullopt;
}

// A PT_LOAD: memory of the process that the core holds the beginning of, all, or nothing of.
struct Load {
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  // in the core
  std::uint64_t held = 0;    // from its begin on
};

// What the notes say.
struct Notes {
  std::optional<pid_t> pid;
  std::string comm;
  std::vector<Mapping> mappings;
  std::map<pid_t, ThreadRegisters> threads;
  std::uint64_t at_phdr = 0;   // AT_PHDR: lies in the executable
  std::uint64_t at_entry = 0;  // AT_ENTRY
};

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
    m.path = text_of(paths);
    paths = paths.subspan(std::min(paths.size(), m.path.size() + 1));
    if (m.start >= m.end || m.path.empty() || __builtin_mul_overflow(offset, *unit, &m.file_offset)) continue;
    mappings.push_back(std::move(m));
  }
  std::stable_sort(mappings.begin(), mappings.end(),
                   [](const Mapping& a, const Mapping& b) { return a.start < b.start; });
  return mappings;
}

void add_notes(Bytes bytes, std::uint16_t elf_machine, Notes& notes) {
  for_each_note(bytes, [&](const std::string& name, std::uint32_t type, Bytes contents) {
    if (name != "CORE" && !name.empty()) return;  // delve leaves the owner out
    if (type == NT_FILE) notes.mappings = parse_file_note(contents);
    if (type == NT_PRPSINFO && contents.size() >= kInfoName + kInfoNameSize) {
      notes.pid = value_at<std::int32_t>(contents, kInfoPid);
      notes.comm = text_of(contents.subspan(kInfoName, kInfoNameSize));
    }
    if (type == NT_PRSTATUS) {
      const auto tid = value_at<std::int32_t>(contents, kStatusPid);
      if (!notes.pid) notes.pid = tid;
      const auto registers = registers_in_status(contents, elf_machine);
      if (tid && registers) notes.threads.emplace(*tid, *registers);
    }
    if (type != NT_AUXV) return;
    for (std::uint64_t at = 0; at + 16 <= contents.size(); at += 16) {
      const auto key = *value_at<std::uint64_t>(contents, at);
      if (key == AT_PHDR) notes.at_phdr = *value_at<std::uint64_t>(contents, at + 8);
      if (key == AT_ENTRY) notes.at_entry = *value_at<std::uint64_t>(contents, at + 8);
    }
  });
}

// The headers of a core, checked.
struct Tables {
  std::vector<Load> loads;  // in order of address
  Notes notes;
  bool cut_short = false;
};

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

Result<Tables> read_tables(const RegularFile& core, const std::string& path) {
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
  Tables tables;
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
    Load load{.address = s.p_vaddr, .size = s.p_memsz, .offset = s.p_offset, .held = std::min(s.p_filesz, s.p_memsz)};
    if (load.offset > core.size() || load.held > core.size() - load.offset) tables.cut_short = true;
    tables.loads.push_back(load);
  }
  std::stable_sort(tables.loads.begin(), tables.loads.end(),
                   [](const Load& a, const Load& b) { return a.address < b.address; });
  if (tables.loads.empty()) return not_a_core(path, "the core holds no memory");
  return tables;
}

// A file that the core names, as it is today.
class MappedFile {
 public:
  explicit MappedFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }  // where it is now
  // Null when it is not there. Opened when it is needed: a process may have mapped more files than we may open.
  const RegularFile* file() {
    if (!file_) file_.emplace(RegularFile::open(path_));
    return *file_ ? &**file_ : nullptr;
  }
  std::optional<bool> same_build;  // as what ran; nothing: not looked at yet

 private:
  std::string path_;
  std::optional<Result<RegularFile>> file_;
};

class CoreMemory : public Memory {
 public:
  CoreMemory(RegularFile core, std::vector<Load> loads, const std::vector<Mapping>& mappings,
             std::map<std::string, MappedFile>& files)
      : core_(std::move(core)), loads_(std::move(loads)), mappings_(mappings), files_(files) {}

  Result<void> read_batch(std::span<ReadPiece> pieces) override {
    for (ReadPiece& piece : pieces) piece.done = read_piece(piece.address, piece.into, piece.size, /*files_too=*/true);
    return {};
  }

  // Of the file of that name, as far as the core holds its first page.
  BuildIds build_ids_in_core(const std::string& path) {
    const auto first = std::find_if(mappings_.begin(), mappings_.end(),
                                    [&](const Mapping& m) { return m.path == path && m.file_offset == 0; });
    if (first == mappings_.end()) return {};
    return build_ids([&](std::uint64_t offset, void* into, std::uint64_t size) {
      const std::uint64_t mapped = first->end - first->start;
      if (offset > mapped || size > mapped - offset) return false;
      return read_piece(first->start + offset, into, size, /*files_too=*/false);
    });
  }

  bool same_build(MappedFile& file, const std::string& path_in_core) {
    if (!file.same_build) {
      file.same_build = !difference(build_ids_in_core(path_in_core), build_ids_of(file)).has_value();
    }
    return *file.same_build;
  }

  static BuildIds build_ids_of(MappedFile& file) {
    const RegularFile* opened = file.file();
    if (opened == nullptr) return {};
    return build_ids(
        [&](std::uint64_t offset, void* into, std::uint64_t size) { return opened->read(offset, into, size); });
  }

 private:
  bool read_piece(std::uint64_t address, void* into, std::uint64_t size, bool files_too) {
    if (address + size < address) return false;
    auto* to = static_cast<std::byte*>(into);
    while (size > 0) {
      std::uint64_t n = read_from_core(address, to, size);
      if (n == 0 && files_too) n = read_from_file(address, to, size);
      if (n == 0) return false;
      address += n;
      to += n;
      size -= n;
    }
    return true;
  }

  // Each of the two reads a stretch that begins at address and says how long it was.
  std::uint64_t read_from_core(std::uint64_t address, std::byte* into, std::uint64_t size) const {
    const Load* load = load_at(address);
    if (load == nullptr || address - load->address >= load->held) return 0;
    const std::uint64_t skip = address - load->address;
    const std::uint64_t n = std::min(size, load->held - skip);
    return load->offset + skip >= load->offset && core_.read(load->offset + skip, into, n) ? n : 0;
  }

  std::uint64_t read_from_file(std::uint64_t address, std::byte* into, std::uint64_t size) {
    std::uint64_t end = UINT64_MAX;
    if (const Load* load = load_at(address)) {
      // What the core claims to hold and does not was cut off: the file may have it in another state.
      if (address - load->address < load->held) return 0;
      end = load->address + load->size;
    } else if (const auto next = next_load(address); next != loads_.end()) {
      end = next->address;
    }
    const Mapping* m = find_mapping(mappings_, address);
    if (m == nullptr) return 0;
    MappedFile& file = files_.at(m->path);
    if (file.file() == nullptr || !same_build(file, m->path)) return 0;
    const std::uint64_t n = std::min({size, m->end - address, end - address});
    const std::uint64_t offset = m->file_offset + (address - m->start);
    return offset >= m->file_offset && file.file()->read(offset, into, n) ? n : 0;
  }

  std::vector<Load>::const_iterator next_load(std::uint64_t address) const {
    return std::upper_bound(loads_.begin(), loads_.end(), address,
                            [](std::uint64_t a, const Load& load) { return a < load.address; });
  }
  const Load* load_at(std::uint64_t address) const {
    const auto after = next_load(address);
    if (after == loads_.begin()) return nullptr;
    const Load& load = *std::prev(after);
    return address - load.address < load.size ? &load : nullptr;
  }

  RegularFile core_;
  std::vector<Load> loads_;
  const std::vector<Mapping>& mappings_;
  std::map<std::string, MappedFile>& files_;  // by the path in the core
};

// The executable is where the kernel told the program that its headers are.
std::string executable_of(const Notes& notes) {
  for (const std::uint64_t address : {notes.at_phdr, notes.at_entry}) {
    if (const Mapping* m = find_mapping(notes.mappings, address)) return m->path;
  }
  return notes.mappings.empty() ? std::string() : notes.mappings.front().path;
}

// Of a core that names no files, as delve and qemu write them: where an executable must have been mapped. Empty: it
// could not have been what ran, or nobody can tell.
std::vector<Mapping> mappings_of(const std::string& exe, std::uint64_t at_entry) {
  constexpr std::uint64_t kPage = 4096;
  const auto file = RegularFile::open(exe);
  Elf64_Ehdr header;
  if (!file || !file->read(0, &header, sizeof(header)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return {};
  }
  const std::uint64_t bias = header.e_type == ET_DYN ? at_entry - header.e_entry : 0;
  if (bias % kPage != 0) return {};
  std::vector<Mapping> mappings;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(header.e_phnum, kMaxFileHeaders); ++i) {
    Elf64_Phdr s;
    if (!file->read(header.e_phoff + i * sizeof(s), &s, sizeof(s))) return {};
    if (s.p_type != PT_LOAD || s.p_filesz == 0) continue;
    const std::uint64_t before = s.p_vaddr % kPage;
    Mapping m{.start = s.p_vaddr - before + bias,
              .end = s.p_vaddr + s.p_filesz + bias,
              .file_offset = s.p_offset - before,
              .path = exe};
    if (s.p_offset < before || m.start >= m.end) return {};
    mappings.push_back(std::move(m));
  }
  std::stable_sort(mappings.begin(), mappings.end(),
                   [](const Mapping& a, const Mapping& b) { return a.start < b.start; });
  return mappings;
}

class CoreFile : public CoreSubject {
 public:
  CoreFile(std::string path, RegularFile core, Tables tables, const std::string& exe)
      : path_(std::move(path)), notes_(std::move(tables.notes)), cut_short_(tables.cut_short) {
    if (notes_.mappings.empty() && !exe.empty()) notes_.mappings = mappings_of(exe, notes_.at_entry);
    executable_ = executable_of(notes_);
    // A reader groups mappings by inode.
    std::map<std::string, std::uint64_t> inodes;
    for (Mapping& m : notes_.mappings) {
      const auto [inode, is_new] = inodes.try_emplace(m.path, kMadeUpInode + inodes.size());
      if (is_new) {
        const std::string& now = m.path == executable_ && !exe.empty() ? exe : m.path;
        files_.emplace(m.path, MappedFile(now));
        struct stat status {};
        if (stat(now.c_str(), &status) == 0) inode->second = status.st_ino;
      }
      m.inode = inode->second;
    }
    memory_.emplace(std::move(core), std::move(tables.loads), notes_.mappings, files_);
  }

  // That the executable is there, and the one that ran.
  Result<void> check_executable() {
    if (executable_.empty()) {
      return Error(ErrorKind::kProtocol, name() + ": the core does not name its executable (no NT_FILE note)")
          .with_hint("name the one that ran: netpoll-trace snapshot --core " + path_ + " EXE");
    }
    MappedFile& file = files_.at(executable_);
    if (file.file() == nullptr) {
      return Error(ErrorKind::kNotFound, path_ + ": its executable " + file.path() + " is not there")
          .with_hint("name one of the same build: netpoll-trace snapshot --core " + path_ + " EXE");
    }
    const auto differ = difference(memory_->build_ids_in_core(executable_), CoreMemory::build_ids_of(file));
    if (!differ) return {};
    return Error(ErrorKind::kInvalid, path_ + " is of another build than " + file.path() + ": build id " +
                                          differ->first + ", and the file has " + differ->second)
        .with_hint("give the executable that ran: netpoll-trace snapshot --core " + path_ + " EXE");
  }

  // Takes what was written down of the descriptors, unless it is of another process.
  Result<void> take_descriptors(SavedDescriptors descriptors, const std::string& from) {
    if (descriptors.pid() && notes_.pid && *descriptors.pid() != *notes_.pid) {
      return Error(ErrorKind::kInvalid, from + " is of pid " + std::to_string(*descriptors.pid()) + ", and " + path_ +
                                            " of pid " + std::to_string(*notes_.pid))
          .with_hint("without --fdinfo the descriptors come from the stacks");
    }
    descriptors_ = std::move(descriptors);
    return {};
  }

  std::string name() const override { return cut_short_ ? path_ + " (cut off)" : path_; }
  std::optional<pid_t> pid() const override { return std::nullopt; }
  Memory& memory() override { return *memory_; }
  const std::vector<Mapping>& mappings() const override { return notes_.mappings; }

  Result<ElfFile> open(const Mapping& mapping) override {
    const auto found = files_.find(mapping.path);
    if (found == files_.end() || found->second.file() == nullptr) {
      return Error(ErrorKind::kNotFound, mapping.path + ", which " + path_ + " names, is not there");
    }
    if (!memory_->same_build(found->second, mapping.path)) {
      return Error(ErrorKind::kNotFound, mapping.path + " is of another build than in " + path_);
    }
    return ElfFile::open(found->second.path());
  }
  Result<ElfFile> open_executable() override { return ElfFile::open(files_.at(executable_).path()); }
  std::string executable_path() const override { return executable_; }

  std::optional<std::vector<int>> epoll_descriptors() override {
    return descriptors_ ? std::optional(descriptors_->epoll_descriptors()) : std::nullopt;
  }
  std::optional<std::vector<Registration>> registrations(int epfd) override {
    return descriptors_ ? descriptors_->registrations(epfd) : std::nullopt;
  }
  Descriptors describe(const std::vector<int>& fds) override {
    return descriptors_ ? descriptors_->describe(fds) : Descriptors();
  }
  std::string_view interest_source() const override { return "fdinfo"; }
  std::optional<std::int64_t> monotonic_now() override { return std::nullopt; }
  std::optional<ThreadCall> thread_call(pid_t /*tid*/) override { return std::nullopt; }
  std::vector<pid_t> threads() override {
    std::vector<pid_t> tids;
    for (const auto& [tid, registers] : notes_.threads) tids.push_back(tid);
    return tids;
  }
  std::optional<ThreadRegisters> thread_registers(pid_t tid) override {
    const auto found = notes_.threads.find(tid);
    return found == notes_.threads.end() ? std::nullopt : std::optional(found->second);
  }

  std::optional<pid_t> dead_pid() const override { return notes_.pid; }
  const std::string& comm() const override { return notes_.comm; }
  bool cut_short() const override { return cut_short_; }

 private:
  std::string path_;
  Notes notes_;
  bool cut_short_;
  std::string executable_;                   // as the core names it
  std::map<std::string, MappedFile> files_;  // by the path in the core
  std::optional<CoreMemory> memory_;
  std::optional<SavedDescriptors> descriptors_;
};

}  // namespace

Result<std::unique_ptr<CoreSubject>> make_core_subject(const std::string& path, const std::string& exe,
                                                       const std::string& fdinfo) {
  auto core = open_plain_core(path);
  if (!core) {
    if (!core.error().hint().empty()) return std::move(core).error();
    return std::move(core).error().with_hint("where the kernel puts cores: /proc/sys/kernel/core_pattern, core(5)");
  }
  auto tables = read_tables(core->file, path);
  if (!tables) return std::move(tables).error();
  tables->cut_short = tables->cut_short || core->cut_short;
  auto subject = std::make_unique<CoreFile>(path, std::move(core->file), std::move(*tables), exe);
  if (auto r = subject->check_executable(); !r) return std::move(r).error();
  if (!fdinfo.empty()) {
    auto descriptors = SavedDescriptors::open(fdinfo);
    if (!descriptors) return std::move(descriptors).error();
    if (auto r = subject->take_descriptors(std::move(*descriptors), fdinfo); !r) return std::move(r).error();
  }
  return std::unique_ptr<CoreSubject>(std::move(subject));
}

}  // namespace netpoll::probes
