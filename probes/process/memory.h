// Memory: the seam through which another process's memory is read. Real: process_vm_readv(2), which does not stop or
// disturb the target; scripted in tests.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "netpoll/result.h"

namespace netpoll::probes {

// One stretch of the target's memory and where it goes.
struct ReadPiece {
  std::uint64_t address = 0;
  void* into = nullptr;
  std::size_t size = 0;
  bool done = false;  // set by read_batch: the whole piece was readable
};

// What is read is foreign bytes: the target may be anything and may change under our hands. Callers check every size
// and offset they take from there. One thread at a time.
class Memory {
 public:
  virtual ~Memory() = default;

  // Reads all pieces in as few system calls as possible and says in each whether it arrived whole; an unreadable piece
  // does not spoil the others, but costs a call. Fails only for the process as a whole: kNotFound when it is gone,
  // kPermission when it is not ours.
  virtual Result<void> read_batch(std::span<ReadPiece> pieces) = 0;

  // Whether only the memory of a target that is stopped can be read: whoever reads then holds a ThreadStop
  // (ptrace/thread_stop.h).
  virtual bool only_while_stopped() const { return false; }

  // Reads size bytes at address. kProtocol when they are not all readable.
  Result<void> read(std::uint64_t address, void* into, std::size_t size);
  // The same, where that is no error: false.
  Result<bool> try_read(std::uint64_t address, void* into, std::size_t size);

  template <typename T>
  Result<T> read_value(std::uint64_t address) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    if (auto r = read(address, &value, sizeof(value)); !r) return std::move(r).error();
    return value;
  }
};

std::unique_ptr<Memory> make_process_memory(pid_t pid);

// The errors of every way into process pid: it ended, or is not ours (with what can be done about it).
Error process_error(pid_t pid, int sys_errno);

// What process_error() asks of the system: the command that lists processes, and whose memory may be read by whom.
std::string_view process_lister();
std::string refusal_hint();

}  // namespace netpoll::probes
