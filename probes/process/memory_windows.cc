// Reads memory by ReadProcessMemory, which neither stops nor disturbs the target.
#include <windows.h>

#include <cerrno>
#include <string>

#include "probes/process/memory.h"
#include "probes/process/windows_process.h"

namespace netpoll::probes {
namespace {

class ProcessMemory : public Memory {
 public:
  explicit ProcessMemory(pid_t pid)
      : pid_(pid),
        process_(OpenProcess(PROCESS_VM_READ | PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE,
                             static_cast<DWORD>(pid))),
        error_(process_ == nullptr ? GetLastError() : ERROR_SUCCESS) {}
  ProcessMemory(const ProcessMemory&) = delete;
  ProcessMemory& operator=(const ProcessMemory&) = delete;
  ~ProcessMemory() override {
    if (process_ != nullptr) CloseHandle(process_);
  }

  Result<void> read_batch(std::span<ReadPiece> pieces) override {
    if (process_ == nullptr) return process_error(pid_, errno_of_process(error_));
    for (ReadPiece& piece : pieces) {
      SIZE_T got = 0;
      const BOOL done =
          ReadProcessMemory(process_, reinterpret_cast<const void*>(piece.address), piece.into, piece.size, &got);
      piece.done = done != FALSE && got == piece.size;
      if (!piece.done && WaitForSingleObject(process_, 0) == WAIT_OBJECT_0) return process_error(pid_, ESRCH);
    }
    return {};
  }

 private:
  pid_t pid_;
  HANDLE process_;
  DWORD error_;
};

}  // namespace

std::unique_ptr<Memory> make_process_memory(pid_t pid) { return std::make_unique<ProcessMemory>(pid); }

std::string_view process_lister() { return "tasklist"; }

std::string refusal_hint() {
  return "its memory is readable for its own user and for administrators: try from an elevated prompt";
}

}  // namespace netpoll::probes
