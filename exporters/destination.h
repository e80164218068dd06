// Destination: where a result goes. Standard output, or a file that is either complete or not there at all.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::exporters {

// Owns an unfinished output. open() it before the work that produces the result, so that an unwritable target is known
// at once; then write() any number of times, then commit(). Without commit() nothing appears and nothing stays behind,
// not even after SIGKILL where the file system knows O_TMPFILE. Not thread-safe.
class Destination {
 public:
  // "-" means standard output, "" the standard stream that is named: standard error where standard output is somebody
  // else's. A regular or absent file is written under a temporary name in the same directory
  // and renamed by commit(), so a reader never sees half of it and an older file survives a failure; its mode is kept.
  // Devices, pipes and sockets (/dev/null, a FIFO) are written as they are. A symbolic link is followed.
  enum class Standard { kOutput, kError };
  static Result<Destination> open(const std::string& path, Standard unnamed = Standard::kOutput);

  // Appends to a string, which outlives it.
  static Destination to_memory(std::string& text);

  Destination(Destination&&) noexcept;
  Destination& operator=(Destination&&) = delete;
  ~Destination();

  // Appends bytes. Fails with the errno of the write: ENOSPC, EPIPE (the reader of a pipe left), EBADF (closed stdout).
  // SIGPIPE must not be at its default action.
  Result<void> write(std::string_view bytes);

  // From now on write() does not wait for whoever reads: what a pipe, socket or terminal does not take at once is kept
  // in memory and goes out with a later write(), push() or commit(), which waits. Who produces faster than is read has
  // to look at backlog(). Files are written as ever.
  void write_behind();
  Result<void> push();
  std::size_t backlog() const { return pending_.size() - sent_; }

  // Makes the output visible under its name. Nothing may follow but the destructor.
  Result<void> commit();

  // The descriptor of a standard stream; nothing for a file.
  std::optional<int> standard_fd() const { return path_.empty() ? std::optional(out_) : std::nullopt; }
  // "standard output", "standard error" or the path, for messages.
  std::string name() const;

 private:
  Destination() = default;
  Result<void> open_temporary();
  Error failed(std::string_view what, int err) const;
  // The hint to an error where it depends on the system. Empty: none.
  std::string advice(int err) const;
  Result<void> write_now(std::string_view bytes);

  std::string path_;       // target as the user named it, empty for a standard stream
  std::string real_path_;  // after symbolic links
  std::string temporary_;  // name to unlink, empty when none exists
  Fd fd_;
  int out_ = -1;  // where write() goes: fd_ or a standard stream
  std::string* memory_ = nullptr;
  bool unnamed_ = false;   // O_TMPFILE: has no name until commit()
  bool in_place_ = false;  // not a regular file: no rename
  bool behind_ = false;
  std::string pending_;  // of write_behind(), with what was sent already at its beginning
  std::size_t sent_ = 0;
};

}  // namespace netpoll::exporters
