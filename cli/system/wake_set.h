// WakeSet: several descriptors that end a wait, as the one descriptor that Source::wait takes.
#pragma once

#include <vector>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// Descriptors are borrowed and must be removed before they are closed. Not thread-safe.
class WakeSet {
 public:
  static Result<WakeSet> create();

  Result<void> add(int fd);
  // Wakes when nobody is left to read what we write to fd: a terminal that hung up, a pipe without readers. Files have
  // no readers who could leave.
  Result<void> add_output(int fd);
  void remove(int fd);

  // Readable as soon as one of the descriptors is.
  int fd() const { return epoll_.get(); }
  // Those that are readable (or at their end, or without a reader) now, waiting at most timeout_ms (-1: for ever) for
  // the first.
  Result<std::vector<int>> ready(int timeout_ms) const;

 private:
  explicit WakeSet(Fd epoll) : epoll_(std::move(epoll)) {}

  Fd epoll_;
};

}  // namespace netpoll::cli
