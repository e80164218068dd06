// Reads memory through the task's port, by vm_read_overwrite, which neither stops nor disturbs the target.
#include <mach/mach.h>
#include <signal.h>

#include <cerrno>
#include <string>

#include "probes/process/memory.h"

namespace netpoll::probes {
namespace {

class ProcessMemory : public Memory {
 public:
  explicit ProcessMemory(pid_t pid) : pid_(pid) {
    if (task_for_pid(mach_task_self(), pid, &task_) != KERN_SUCCESS) task_ = MACH_PORT_NULL;
  }
  ProcessMemory(const ProcessMemory&) = delete;
  ProcessMemory& operator=(const ProcessMemory&) = delete;
  ~ProcessMemory() override {
    if (task_ != MACH_PORT_NULL) mach_port_deallocate(mach_task_self(), task_);
  }

  Result<void> read_batch(std::span<ReadPiece> pieces) override {
    // task_for_pid gives the same error for all reasons.
    if (task_ == MACH_PORT_NULL) return process_error(pid_, is_there() ? EPERM : ESRCH);
    for (ReadPiece& piece : pieces) {
      vm_size_t got = 0;
      const kern_return_t done =
          vm_read_overwrite(task_, piece.address, piece.size, reinterpret_cast<vm_address_t>(piece.into), &got);
      piece.done = done == KERN_SUCCESS && got == piece.size;
      if (!piece.done && is_dead()) return process_error(pid_, ESRCH);
    }
    return {};
  }

 private:
  bool is_there() const { return ::kill(pid_, 0) == 0 || errno != ESRCH; }
  // The right to a task's port is a dead name when the task has ended.
  bool is_dead() const {
    mach_port_type_t type = 0;
    return mach_port_type(mach_task_self(), task_, &type) != KERN_SUCCESS || (type & MACH_PORT_TYPE_DEAD_NAME) != 0;
  }

  pid_t pid_;
  mach_port_t task_ = MACH_PORT_NULL;
};

}  // namespace

std::unique_ptr<Memory> make_process_memory(pid_t pid) { return std::make_unique<ProcessMemory>(pid); }

std::string_view process_lister() { return "ps -ax"; }

std::string refusal_hint() {
  return "its memory is readable for root, and for programs with the entitlement com.apple.security.cs.debugger: try "
         "sudo; System Integrity Protection keeps both out of the system's own programs, and the hardened runtime out of "
         "those that were signed with it";
}

}  // namespace netpoll::probes
