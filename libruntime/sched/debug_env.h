// debug_env.h: what NETPOLLDEBUG=schedtrace=MS,scheddetail=1,polltrace=1,hog=MS makes a Runtime print.
//
// Line formats, stable for scripts (one write(2) per line, to stderr):
//   SCHED 1000ms: procs=2 idleprocs=1 threads=3 spinning=0 idlethreads=1 runqueue=0 [0 3] gs=64 waiting=60 polls=1234
//   P0: status=running tick=123 runq=0 timers=2          (scheddetail=1, after each SCHED line)
//   G17: status=waiting(IO wait) wait_ns=1200000 fd=7     (scheddetail=1)
//   POLL enter timeout=-1        POLL exit n=3            (polltrace=1)
//   HOG goroutine 17 has been on P0 for 12 ms             (hog=MS)
#pragma once

#include <cstdint>

namespace netpoll::sched {

struct DebugEnv {
  std::int64_t schedtrace_ns = 0;
  bool scheddetail = false;
  bool polltrace = false;
  std::int64_t hog_ns = 0;

  // Reads the environment. Unknown keys and bad values are reported once per process, on stderr.
  static DebugEnv from_environment();
};

}  // namespace netpoll::sched
