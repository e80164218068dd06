// Interrupt: Ctrl-C and its relatives as a readable descriptor, so that a command ends its work in order and prints
// what it has.
#pragma once

#include <optional>

#include "cli/exit_status.h"
#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// At most one exists at a time: signal dispositions belong to the process. Handlers and not blocked signals, because
// an exec resets handlers to their defaults and would hand blocked or ignored signals on to the child.
class Interrupt {
 public:
  // Takes SIGINT, SIGTERM and SIGHUP (unless the caller had us ignore it, as nohup does). The first one is remembered;
  // a second one ends the process at once, in case ending in order takes too long. SIGPIPE no longer kills, so that a
  // reader who left is an error value of write().
  static Result<Interrupt> install();
  Interrupt(Interrupt&&) noexcept = default;
  Interrupt& operator=(Interrupt&&) = delete;
  ~Interrupt();

  // Readable, for good, from the first signal on.
  int fd() const { return read_.get(); }
  bool requested() const { return signal().has_value(); }
  std::optional<int> signal() const;
  // 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
  ExitStatus status() const;

 private:
  Interrupt(Fd read, Fd write) : read_(std::move(read)), write_(std::move(write)) {}

  Fd read_;
  Fd write_;
};

}  // namespace netpoll::cli
