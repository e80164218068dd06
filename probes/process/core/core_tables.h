// CoreTables: what the headers and notes of an ELF core say (core(5)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "netpoll/result.h"
#include "probes/process/mappings.h"
#include "probes/process/regular_file.h"
#include "probes/process/thread_registers.h"

namespace netpoll::probes {

// A PT_LOAD: memory of the process that the core holds the beginning of, all, or nothing of.
struct CoreLoad {
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  // in the core
  std::uint64_t held = 0;    // from its begin on
};

// What the notes say.
struct CoreNotes {
  std::optional<pid_t> pid;
  std::string comm;
  std::vector<Mapping> mappings;
  std::map<pid_t, ThreadRegisters> threads;
  std::uint64_t at_phdr = 0;   // AT_PHDR: lies in the executable
  std::uint64_t at_entry = 0;  // AT_ENTRY
};

// The headers of a core, checked.
struct CoreTables {
  std::vector<CoreLoad> loads;  // in order of address
  CoreNotes notes;
  bool cut_short = false;
};

// path: for messages. Errors: kProtocol for a file that is no whole ELF core, kNotSupported for one of 32 bits or of
// another machine.
Result<CoreTables> read_core_tables(const RegularFile& core, const std::string& path);

}  // namespace netpoll::probes
