// Bell: how goroutines wake the main thread of a worker, which waits for them and for the end of the control pipe.
// One file a system: bell_posix.cc, bell_windows.cc.
#pragma once

#include <memory>

#include "netpoll/result.h"

namespace netpoll::workload {

class Bell {
 public:
  // control_fd, borrowed: the read end of the control pipe; -1: there is none.
  static Result<Bell> make(int control_fd);
  Bell(Bell&&) noexcept;
  Bell& operator=(Bell&&) = delete;
  ~Bell();

  // From any thread or goroutine; ends a wait() that is going on, or else the next one.
  void ring();
  // For one thread: waits until somebody rang, the control pipe ended, or timeout_ms passed (-1: for ever). Whether the
  // control pipe is at its end.
  bool wait(int timeout_ms);

 private:
  struct State;
  explicit Bell(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace netpoll::workload
