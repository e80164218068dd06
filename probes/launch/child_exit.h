// ChildExit: how a process ended.
#pragma once

namespace netpoll::probes {

// How a process ended: by exit(code), or by a signal.
struct ChildExit {
  int code = 0;
  int signal = 0;  // 0: it exited by itself with `code`

  bool success() const { return signal == 0 && code == 0; }
  // What a shell shows: the code, or 128 + signal.
  int shell_code() const { return signal != 0 ? 128 + signal : code; }
};

}  // namespace netpoll::probes
