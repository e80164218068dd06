// What every Memory does alike.
#include "probes/process/memory.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>

namespace netpoll::probes {

Result<bool> Memory::try_read(std::uint64_t address, void* into, std::size_t size) {
  ReadPiece piece{.address = address, .into = into, .size = size};
  if (auto r = read_batch({&piece, 1}); !r) return std::move(r).error();
  return piece.done;
}

Result<void> Memory::read(std::uint64_t address, void* into, std::size_t size) {
  const auto done = try_read(address, into, size);
  if (!done) return done.error();
  if (!*done) {
    std::array<char, 20> digits;
    std::snprintf(digits.data(), digits.size(), "0x%llx", static_cast<unsigned long long>(address));
    return Error(ErrorKind::kProtocol, std::to_string(size) + " bytes at " + digits.data() + " are not readable");
  }
  return {};
}

Error process_error(pid_t pid, int sys_errno) {
  const std::string who = "pid " + std::to_string(pid);
  if (sys_errno == ESRCH || sys_errno == ENOENT) {
    return Error(ErrorKind::kNotFound, who + ": no such process")
        .with_hint("it may have ended just now; see " + std::string(process_lister()));
  }
  if (sys_errno == EPERM || sys_errno == EACCES) {
    return posix_error("read the memory of " + who, EPERM).with_hint(refusal_hint());
  }
  return posix_error("read the memory of " + who, sys_errno);
}

}  // namespace netpoll::probes
