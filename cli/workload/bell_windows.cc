// Two events: one that goroutines set, and one that a thread sets which reads the control pipe to its end.
#include "cli/workload/bell.h"

#include <io.h>
#include <windows.h>

#include <cerrno>
#include <thread>
#include <utility>

namespace netpoll::workload {

// Shared with the thread, which may wait until the process ends.
struct Bell::State {
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    CloseHandle(rung);
    CloseHandle(stopped);
  }

  HANDLE rung = CreateEventW(nullptr, /*bManualReset=*/FALSE, FALSE, nullptr);
  HANDLE stopped = CreateEventW(nullptr, /*bManualReset=*/TRUE, FALSE, nullptr);
};

Bell::Bell(std::shared_ptr<State> state) : state_(std::move(state)) {}
Bell::Bell(Bell&&) noexcept = default;
Bell::~Bell() = default;

Result<Bell> Bell::make(int control_fd) {
  auto state = std::make_shared<State>();
  if (state->rung == nullptr || state->stopped == nullptr) return posix_error("CreateEvent", ENOMEM);
  if (control_fd >= 0) {
    const auto control = reinterpret_cast<HANDLE>(_get_osfhandle(control_fd));
    std::thread([state, control] {
      char byte = 0;
      DWORD count = 0;
      while (ReadFile(control, &byte, 1, &count, nullptr) != 0 && count > 0) {
      }
      SetEvent(state->stopped);
    }).detach();
  }
  return Bell(std::move(state));
}

void Bell::ring() { SetEvent(state_->rung); }

bool Bell::wait(int timeout_ms) {
  const HANDLE events[] = {state_->rung, state_->stopped};
  WaitForMultipleObjects(2, events, FALSE, timeout_ms < 0 ? INFINITE : static_cast<DWORD>(timeout_ms));
  return WaitForSingleObject(state_->stopped, 0) == WAIT_OBJECT_0;
}

}  // namespace netpoll::workload
