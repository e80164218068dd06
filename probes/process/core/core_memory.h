// CoreMemory: the memory of a process that died, from its core and, for what that leaves out, from the files that were
// mapped.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "netpoll/result.h"
#include "probes/process/core/core_tables.h"
#include "probes/process/mappings.h"
#include "probes/process/memory.h"
#include "probes/process/regular_file.h"

namespace netpoll::probes {

// What tells one build of a file from another. Empty: it has none, or the page with it is not there.
struct BuildIds {
  std::string linker;  // hexadecimal digits of NT_GNU_BUILD_ID
  std::string go;      // as `go tool buildid` prints it
};

// The two ids that differ, of the core and of the file.
std::optional<std::pair<std::string, std::string>> difference(const BuildIds& core, const BuildIds& file);

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

// Borrows mappings and files. One thread at a time.
class CoreMemory : public Memory {
 public:
  CoreMemory(RegularFile core, std::vector<CoreLoad> loads, const std::vector<Mapping>& mappings,
             std::map<std::string, MappedFile>& files)
      : core_(std::move(core)), loads_(std::move(loads)), mappings_(mappings), files_(files) {}

  Result<void> read_batch(std::span<ReadPiece> pieces) override;

  // Of the file of that name, as far as the core holds its first page.
  BuildIds build_ids_in_core(const std::string& path);
  bool same_build(MappedFile& file, const std::string& path_in_core);
  static BuildIds build_ids_of(MappedFile& file);

 private:
  bool read_piece(std::uint64_t address, void* into, std::uint64_t size, bool files_too);
  // Each of the two reads a stretch that begins at address and says how long it was.
  std::uint64_t read_from_core(std::uint64_t address, std::byte* into, std::uint64_t size) const;
  std::uint64_t read_from_file(std::uint64_t address, std::byte* into, std::uint64_t size);
  std::vector<CoreLoad>::const_iterator next_load(std::uint64_t address) const;
  const CoreLoad* load_at(std::uint64_t address) const;

  RegularFile core_;
  std::vector<CoreLoad> loads_;
  const std::vector<Mapping>& mappings_;
  std::map<std::string, MappedFile>& files_;  // by the path in the core
};

}  // namespace netpoll::probes
