// Whether a target is one whose system calls can be counted, said before anything is attached to it.
#pragma once

#include <sys/types.h>

#include <string>

#include "netpoll/result.h"
#include "probes/source.h"

namespace netpoll::probes {

// The word size of the ELF program at path; kNone for a script or a file that cannot be read.
enum class ProgramKind : std::uint8_t { kNone, kElf32, kElf64 };
ProgramKind program_kind(const std::string& path);

// Fails with kNotSupported for targets whose system calls we cannot tell apart: 32-bit programs, whose calls carry
// other numbers, and kernel threads, which make none. A program that cannot be examined passes.
Result<void> check_countable(const Target& target);

}  // namespace netpoll::probes
