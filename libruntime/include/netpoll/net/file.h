// File: regular files (and other descriptors that epoll refuses) for goroutines.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll {

// File owns a descriptor that is always "ready" and may block all the same. Every call hands the P off (block_on) while
// the kernel works, so other goroutines go on; deadlines cannot interrupt it. Thread contract as Conn's: close() waits
// for running calls, calls after it return kClosing.
class File {
 public:
  File() = default;
  File(File&&) noexcept = default;
  File& operator=(File&& other) noexcept;
  ~File();  // closes, dropping the error

  // open(2); O_CLOEXEC is added. On Windows the handle is one for overlapped calls, and fd() is of use to those alone.
  static Result<File> open(const std::string& path, int flags, mode_t mode = 0644);
  // Takes fd over as it is, blocking or not; on Windows a handle for overlapped calls as well as one for others.
  static Result<File> adopt(Fd fd, std::string name = {});

  // At the file's position; 0 is the end of the file.
  Result<std::size_t> read(std::span<std::byte> buffer);
  Result<std::size_t> write(std::span<const std::byte> data);  // all of it
  // At offset; the file's position is neither used nor moved.
  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t offset);
  Result<std::size_t> write_at(std::span<const std::byte> data, std::int64_t offset);  // all of it
  Result<std::int64_t> size();
  Result<void> sync();
  Result<void> close();

  bool valid() const { return state_ != nullptr; }
  int fd() const;  // for display and for Conn::send_file while the File is open; -1 when not valid

 private:
  struct State;
  struct StateDeleter {
    void operator()(State* state) const;
  };
  explicit File(std::unique_ptr<State, StateDeleter> state);

  std::unique_ptr<State, StateDeleter> state_;
};

}  // namespace netpoll
