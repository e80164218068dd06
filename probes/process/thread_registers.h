// The registers of a thread that tell where it is.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace netpoll::probes {

struct ThreadRegisters {
  std::uint64_t pc = 0;
  std::uint64_t sp = 0;
  std::uint64_t lr = 0;  // the return address, on machines that pass it in a register; else 0
  // Those that functions keep for their callers, by DWARF's numbers (System V AMD64 ABI, figure 3.36; DWARF for the ARM
  // 64-bit architecture, table 4.1); empty where only the above are known.
  std::vector<std::pair<int, std::uint64_t>> kept;

  bool operator==(const ThreadRegisters&) const = default;
};

// Of an NT_PRSTATUS note of a core of that ELF machine; nothing for another machine, or a note that is too short.
std::optional<ThreadRegisters> registers_in_status(std::span<const std::byte> note, std::uint16_t elf_machine);

// Of a live thread: exact where the caller has it stopped by ptrace(2); else where it went into the system call that it
// is in (proc_pid_syscall(5)). Nothing for one that runs.
std::optional<ThreadRegisters> registers_of_thread(pid_t pid, pid_t tid);

}  // namespace netpoll::probes
