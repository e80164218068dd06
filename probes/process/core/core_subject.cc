// The Subject around a core: its executable, the files that it names, and what was saved of its descriptors.
#include "probes/process/core/core_subject.h"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "probes/process/core/archive/core_archive.h"
#include "probes/process/core/core_memory.h"
#include "probes/process/core/core_tables.h"
#include "probes/process/core/saved_descriptors.h"
#include "probes/process/elf/elf_files.h"
#include "probes/process/regular_file.h"

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kMaxExecutableHeaders = 256;             // of the executable
constexpr std::uint64_t kMadeUpInode = std::uint64_t{1} << 63U;  // and following: of files that are not there

// The executable is where the kernel told the program that its headers are.
std::string executable_of(const CoreNotes& notes) {
  for (const std::uint64_t address : {notes.at_phdr, notes.at_entry}) {
    if (const Mapping* m = find_mapping(notes.mappings, address)) return m->path;
  }
  return notes.mappings.empty() ? std::string() : notes.mappings.front().path;
}

// Of a core that names no files, as delve and qemu write them: where an executable must have been mapped. Empty: it
// could not have been what ran, or nobody can tell.
std::vector<Mapping> mappings_of(const std::string& exe, std::uint64_t at_entry) {
  constexpr std::uint64_t kPageSize = 4096;
  const auto file = RegularFile::open(exe);
  Elf64_Ehdr header;
  if (!file || !file->read(0, &header, sizeof(header)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return {};
  }
  const std::uint64_t bias = header.e_type == ET_DYN ? at_entry - header.e_entry : 0;
  if (bias % kPageSize != 0) return {};
  std::vector<Mapping> mappings;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(header.e_phnum, kMaxExecutableHeaders); ++i) {
    Elf64_Phdr s;
    if (!file->read(header.e_phoff + i * sizeof(s), &s, sizeof(s))) return {};
    if (s.p_type != PT_LOAD || s.p_filesz == 0) continue;
    const std::uint64_t before = s.p_vaddr % kPageSize;
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

class CoreFile : public CoreSubject, private ElfFiles {
 public:
  CoreFile(std::string path, RegularFile core, CoreTables tables, const std::string& exe)
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

  ElfFiles* elf_files() override { return this; }
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
  Descriptors describe(const std::vector<int>& fds, Ends /*ends*/) override {
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
  CoreNotes notes_;
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
  auto tables = read_core_tables(core->file, path);
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
