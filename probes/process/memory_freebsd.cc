// Reads memory through procfs(5) where it is mounted, which does not stop the target, and else by ptrace(2)'s PT_IO,
// for which whoever reads holds it stopped. There is no third way into another process there.
#include <fcntl.h>
#include <sys/types.h>
// Behind it.
#include <sys/ptrace.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "netpoll/fd.h"
#include "probes/process/freebsd_process.h"
#include "probes/process/memory.h"

namespace netpoll::probes {
namespace {

class ProcessMemory : public Memory {
 public:
  explicit ProcessMemory(pid_t pid)
      : pid_(pid), file_(::open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC)) {}

  bool only_while_stopped() const override { return !file_.valid(); }

  Result<void> read_batch(std::span<ReadPiece> pieces) override {
    for (ReadPiece& piece : pieces) {
      piece.done = file_.valid() ? read_file(piece) : read_traced(piece);
      if (!piece.done && !living_process(pid_)) return process_error(pid_, ESRCH);
    }
    return {};
  }

 private:
  bool read_file(const ReadPiece& piece) const {
    const ssize_t n = ::pread(file_.get(), piece.into, piece.size, static_cast<off_t>(piece.address));
    return n >= 0 && static_cast<std::size_t>(n) == piece.size;
  }

  bool read_traced(const ReadPiece& piece) const {
    ptrace_io_desc io{.piod_op = PIOD_READ_D,
                      .piod_offs = reinterpret_cast<void*>(piece.address),
                      .piod_addr = piece.into,
                      .piod_len = piece.size};
    return ptrace(PT_IO, pid_, reinterpret_cast<caddr_t>(&io), 0) == 0 && io.piod_len == piece.size;
  }

  pid_t pid_;
  Fd file_;
};

bool is_debugging_for_root() {
  int allowed = 1;
  std::size_t size = sizeof allowed;
  return sysctlbyname("security.bsd.unprivileged_proc_debug", &allowed, &size, nullptr, 0) == 0 && allowed == 0;
}

}  // namespace

std::unique_ptr<Memory> make_process_memory(pid_t pid) { return std::make_unique<ProcessMemory>(pid); }

std::string_view process_lister() { return "ps -ax"; }

std::string refusal_hint() {
  std::string hint = "its memory is readable for its own user and root: try as root";
  if (is_debugging_for_root()) hint += "; security.bsd.unprivileged_proc_debug=0 forbids it to the same user as well";
  return hint;
}

}  // namespace netpoll::probes
