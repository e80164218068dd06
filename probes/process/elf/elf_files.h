// ElfFiles: the ELF files that a Subject runs, as it sees them (deleted files included).
#pragma once

#include "netpoll/result.h"
#include "probes/process/elf/elf_file.h"
#include "probes/process/mappings.h"

namespace netpoll::probes {

class ElfFiles {
 public:
  virtual ~ElfFiles() = default;
  // The file that is mapped there, and the executable.
  virtual Result<ElfFile> open(const Mapping& mapping) = 0;
  virtual Result<ElfFile> open_executable() = 0;
};

}  // namespace netpoll::probes
