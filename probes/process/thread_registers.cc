// Takes program counter and stack pointer out of what kernel and cores say of a thread.
//
// Facts: struct elf_prstatus (include/linux/elfcore.h) has the registers at 112 on 64-bit machines, in the order of
// struct user_regs_struct (x86-64) and user_pt_regs (aarch64), which is what PTRACE_GETREGSET gives too.
#include "probes/process/thread_registers.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include <array>
#include <cstring>
#include <fstream>
#include <string>

namespace netpoll::probes {
namespace {

constexpr std::size_t kStatusRegisters = 112;

struct Kept {
  int dwarf;
  std::size_t at;
};
constexpr std::array<Kept, 6> kKeptX64 = {{{3, 5}, {6, 4}, {12, 3}, {13, 2}, {14, 1}, {15, 0}}};
constexpr std::array<Kept, 12> kKeptAarch64 = {{{19, 19},
                                                {20, 20},
                                                {21, 21},
                                                {22, 22},
                                                {23, 23},
                                                {24, 24},
                                                {25, 25},
                                                {26, 26},
                                                {27, 27},
                                                {28, 28},
                                                {29, 29},
                                                {30, 30}}};

// Indices of 64-bit words.
struct Places {
  std::uint16_t elf_machine;
  std::size_t pc;
  std::size_t sp;
  std::optional<std::size_t> lr;
  std::span<const Kept> kept;
};
constexpr std::array<Places, 2> kMachines = {{
    {.elf_machine = EM_X86_64, .pc = 16, .sp = 19, .lr = std::nullopt, .kept = kKeptX64},
    {.elf_machine = EM_AARCH64, .pc = 32, .sp = 31, .lr = 30, .kept = kKeptAarch64},
}};
#if defined(__x86_64__)
constexpr std::uint16_t kNative = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kNative = EM_AARCH64;
#endif

std::optional<ThreadRegisters> registers_in(std::span<const std::byte> set, std::uint16_t elf_machine) {
  for (const Places& places : kMachines) {
    if (places.elf_machine != elf_machine) continue;
    const auto word = [&](std::size_t index) {
      std::uint64_t value = 0;
      if (set.size() >= (index + 1) * sizeof(value))
        std::memcpy(&value, set.data() + index * sizeof(value), sizeof(value));
      return value;
    };
    ThreadRegisters registers{.pc = word(places.pc), .sp = word(places.sp), .lr = 0, .kept = {}};
    if (places.lr) registers.lr = word(*places.lr);
    for (const auto& [dwarf, at] : places.kept) registers.kept.emplace_back(dwarf, word(at));
    if (registers.pc == 0 || registers.sp == 0) return std::nullopt;
    return registers;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ThreadRegisters> registers_in_status(std::span<const std::byte> note, std::uint16_t elf_machine) {
  if (note.size() <= kStatusRegisters) return std::nullopt;
  return registers_in(note.subspan(kStatusRegisters), elf_machine);
}

std::optional<ThreadRegisters> registers_of_thread(pid_t pid, pid_t tid) {
  std::array<std::byte, 512> set{};
  iovec room{.iov_base = set.data(), .iov_len = set.size()};
  if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &room) == 0) {
    return registers_in(std::span(set).first(room.iov_len), kNative);
  }
  // "NUMBER ARG ARG ARG ARG ARG ARG SP PC", or "-1 SP PC" of one that is blocked without a call.
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/syscall");
  long number = 0;
  if (!(file >> number)) return std::nullopt;
  file >> std::hex;
  std::uint64_t word = 0;
  for (int skipped = 0; number >= 0 && skipped < 6; ++skipped) file >> word;
  ThreadRegisters registers;
  if (!(file >> registers.sp >> registers.pc) || registers.pc == 0) return std::nullopt;
  return registers;
}

}  // namespace netpoll::probes
