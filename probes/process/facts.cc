// Reads the ELF header and the status of a process.
#include "probes/process/facts.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <fstream>

#include "netpoll/fd.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

constexpr unsigned long kKernelThread = 0x00200000;  // PF_KTHREAD in include/linux/sched.h

bool is_kernel_thread(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  // comm is in parentheses and may contain anything, parentheses included; flags is the seventh field after it.
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return false;
  char state = 0;
  int ppid = 0, group = 0, session = 0, tty = 0, tty_group = 0;
  unsigned long flags = 0;
  const int fields = std::sscanf(line.c_str() + end + 1, " %c %d %d %d %d %d %lu", &state, &ppid, &group, &session,
                                 &tty, &tty_group, &flags);
  return fields == 7 && (flags & kKernelThread) != 0;
}

}  // namespace

ProgramKind program_kind(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  unsigned char ident[EI_NIDENT];
  if (!fd.valid() || ::read(fd.get(), ident, sizeof(ident)) != static_cast<ssize_t>(sizeof(ident)) ||
      std::memcmp(ident, ELFMAG, SELFMAG) != 0) {
    return ProgramKind::kNone;
  }
  return ident[EI_CLASS] == ELFCLASS32 ? ProgramKind::kElf32 : ProgramKind::kElf64;
}

Result<void> check_countable(const Target& target) {
  const std::string name = "pid " + std::to_string(target.pid);
  if (!target.held && is_kernel_thread(target.pid)) {
    return Error(ErrorKind::kNotSupported, name + " is a kernel thread; it makes no system calls");
  }
  const std::string path = target.held ? target.exe : "/proc/" + std::to_string(living_thread(target.pid)) + "/exe";
  if (!path.empty() && program_kind(path) == ProgramKind::kElf32) {
    return Error(ErrorKind::kNotSupported, (target.held ? path : name) + " is a 32-bit program")
        .with_hint("its system calls have other numbers, which are not counted; strace -c -f can");
  }
  return {};
}

std::string exe_of(pid_t pid) {
  char path[PATH_MAX];
  const ssize_t length =
      ::readlink(("/proc/" + std::to_string(living_thread(pid)) + "/exe").c_str(), path, sizeof(path));
  if (length <= 0) return {};
  std::string exe(path, static_cast<std::size_t>(length));
  constexpr std::string_view kDeleted = " (deleted)";
  if (exe.ends_with(kDeleted)) exe.resize(exe.size() - kDeleted.size());
  return exe;
}

}  // namespace netpoll::probes
