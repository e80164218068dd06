// Where the flags are, and writing them.
#include "probes/ptrace/untraced_clone.h"

#include <sched.h>
#include <sys/syscall.h>

#include <cerrno>

#include "probes/ptrace/arch.h"
#include "probes/ptrace/requests.h"

namespace netpoll::probes {

std::optional<UntracedClone> UntracedClone::take_off(pid_t tid, long number, const std::array<std::uint64_t, 6>& args) {
  std::uint64_t address = 0, flags = args[0];
  if (number == SYS_clone3) {
    address = args[0];
    errno = 0;
    // Only then is -1 an error (ptrace(2)).
    flags = static_cast<std::uint64_t>(ptrace(PTRACE_PEEKDATA, tid, reinterpret_cast<void*>(address), nullptr));
    if (errno != 0) return std::nullopt;
  } else if (number != SYS_clone) {
    return std::nullopt;
  }
  const UntracedClone call(address, flags);
  constexpr std::uint64_t kUntraced = CLONE_UNTRACED;
  if ((flags & kUntraced) == 0 || !call.write(tid, flags & ~kUntraced)) return std::nullopt;
  return call;
}

void UntracedClone::put_back(pid_t tid) const { write(tid, flags_); }

bool UntracedClone::write(pid_t tid, std::uint64_t flags) const {
  if (address_ == 0) return set_argument(tid, 0, flags);
  return request(PTRACE_POKEDATA, tid, reinterpret_cast<void*>(address_), static_cast<long>(flags)) == 0;
}

}  // namespace netpoll::probes
