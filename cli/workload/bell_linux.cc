// An eventfd beside the control pipe, in one poll(2).
#include "cli/workload/bell.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "netpoll/fd.h"

namespace netpoll::workload {

struct Bell::State {
  Fd rung;
  int control = -1;
};

Bell::Bell(std::shared_ptr<State> state) : state_(std::move(state)) {}
Bell::Bell(Bell&&) noexcept = default;
Bell::~Bell() = default;

Result<Bell> Bell::make(int control_fd) {
  auto state = std::make_shared<State>();
  state->rung.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state->rung.valid()) return posix_error("eventfd", errno);
  state->control = control_fd;
  return Bell(std::move(state));
}

// A failure (the counter is full) means that the main thread is awake already.
void Bell::ring() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(state_->rung.get(), &one, sizeof(one));
}

bool Bell::wait(int timeout_ms) {
  pollfd fds[] = {{.fd = state_->rung.get(), .events = POLLIN, .revents = 0},
                  {.fd = state_->control, .events = 0, .revents = 0}};
  if (poll(fds, 2, timeout_ms) < 0) return errno != EINTR;
  std::uint64_t rings = 0;
  if ((fds[0].revents & POLLIN) != 0) (void)!read(state_->rung.get(), &rings, sizeof(rings));
  return fds[1].revents != 0;
}

}  // namespace netpoll::workload
