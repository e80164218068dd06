// A pipe beside the control pipe, in one poll(2).
#include "cli/workload/bell.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "libruntime/base/syscall.h"
#include "netpoll/fd.h"

namespace netpoll::workload {

struct Bell::State {
  Fd rung;
  Fd ringer;
  int control = -1;
};

Bell::Bell(std::shared_ptr<State> state) : state_(std::move(state)) {}
Bell::Bell(Bell&&) noexcept = default;
Bell::~Bell() = default;

Result<Bell> Bell::make(int control_fd) {
  auto state = std::make_shared<State>();
  int ends[2];
  const long made = base::sys(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK);
  if (made < 0) return posix_error("pipe2", static_cast<int>(-made));
  state->rung.reset(ends[0]);
  state->ringer.reset(ends[1]);
  state->control = control_fd;
  return Bell(std::move(state));
}

// A failure (the pipe is full) means that the main thread is awake already.
void Bell::ring() {
  const char ring = 0;
  base::sys(SYS_write, state_->ringer.get(), &ring, 1);
}

bool Bell::wait(int timeout_ms) {
  pollfd fds[] = {{.fd = state_->rung.get(), .events = POLLIN, .revents = 0},
                  {.fd = state_->control, .events = 0, .revents = 0}};
  if (poll(fds, 2, timeout_ms) < 0) return errno != EINTR;
  char rings[256];
  if ((fds[0].revents & POLLIN) != 0) base::sys(SYS_read, state_->rung.get(), rings, sizeof rings);
  return fds[1].revents != 0;
}

}  // namespace netpoll::workload
