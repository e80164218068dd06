// Reads the first bytes of the program.
#include "probes/countable.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "netpoll/fd.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {

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
  const std::string path = target.held ? target.exe : executable_file(target.pid);
  if (!path.empty() && program_kind(path) == ProgramKind::kElf32) {
    return Error(ErrorKind::kNotSupported, (target.held ? path : name) + " is a 32-bit program")
        .with_hint("its system calls have other numbers, which are not counted; strace -c -f can");
  }
  return {};
}

}  // namespace netpoll::probes
