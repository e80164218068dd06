// Nudge: SIGUSR1 as a readable descriptor: somebody wants to see the figures so far, as of dd(1).
#pragma once

#include <utility>

#include "netpoll/fd.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// At most one exists at a time, since the disposition of a signal belongs to the process. A signal that our caller had
// us ignore stays ignored. A command that we start has the default.
class Nudge {
 public:
  static Result<Nudge> install();
  Nudge(Nudge&&) noexcept = default;
  Nudge& operator=(Nudge&&) = delete;
  ~Nudge();

  // Readable while a signal came that was not taken.
  int fd() const { return read_.get(); }
  // Whether any came since the last time.
  bool take();

 private:
  Nudge(Fd read, Fd write) : read_(std::move(read)), write_(std::move(write)) {}

  Fd read_;
  Fd write_;
};

}  // namespace netpoll::cli
