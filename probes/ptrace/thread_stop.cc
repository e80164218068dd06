// Seizes and interrupts threads until no new one appears.
#include "probes/ptrace/thread_stop.h"

#include <dirent.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include "libruntime/base/clock.h"
#include "probes/ptrace/attach_error.h"
#include "probes/ptrace/requests.h"

namespace netpoll::probes {
namespace {

constexpr int kMaxRounds = 100;
constexpr std::int64_t kPatienceNs = 1'000'000'000;

std::vector<pid_t> threads_of(pid_t pid) {
  std::vector<pid_t> tids;
  DIR* dir = opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
  if (dir == nullptr) return tids;
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name(entry->d_name);
    pid_t tid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), tid).ec == std::errc{}) tids.push_back(tid);
  }
  closedir(dir);
  return tids;
}

}  // namespace

ThreadStop::ThreadStop(ThreadStop&& other) noexcept
    : pid_(other.pid_), since_ns_(other.since_ns_), threads_(std::exchange(other.threads_, {})) {}

Result<ThreadStop> ThreadStop::stop(pid_t pid) {
  ThreadStop all(pid);
  all.since_ns_ = base::nanotime();
  // A thread that runs may start others, so that only a round without new ones is the last.
  for (int round = 0; round < kMaxRounds; ++round) {
    auto found = all.stop_new_threads();
    if (!found) return std::move(found).error();
    if (!*found) {
      if (all.threads_.empty()) return attach_error(pid, ESRCH);
      return all;
    }
  }
  return Error(ErrorKind::kTimeout, "stop pid " + std::to_string(pid) + ": it starts threads faster than they stop");
}

// Returns whether there were any.
Result<bool> ThreadStop::stop_new_threads() {
  const std::size_t known = threads_.size();
  for (const pid_t tid : threads_of(pid_)) {
    if (std::any_of(threads_.begin(), threads_.end(), [&](const Thread& t) { return t.tid == tid; })) continue;
    if (request(PTRACE_SEIZE, tid) != 0) {
      if (errno == ESRCH) continue;  // it ended
      return attach_error(pid_, errno);
    }
    (void)request(PTRACE_INTERRUPT, tid);
    threads_.push_back({.tid = tid});
  }
  for (std::size_t i = known; i < threads_.size(); ++i) {
    if (!wait_for(threads_[i])) {
      return Error(ErrorKind::kTimeout, "stop pid " + std::to_string(pid_) + ": thread " +
                                            std::to_string(threads_[i].tid) + " does not stop");
    }
  }
  return threads_.size() > known;
}

// False when it neither stops nor ends within the patience: it waits for a device, and nothing interrupts that.
bool ThreadStop::wait_for(Thread& thread) const {
  const std::int64_t until = base::nanotime() + kPatienceNs;
  for (;;) {
    int status = 0;
    const pid_t got = waitpid(thread.tid, &status, __WALL | WNOHANG);
    if (got == thread.tid && WIFSTOPPED(status)) {
      thread.stopped = true;
      // Without an event it stopped because a signal is about to be delivered.
      if (status >> 16 == 0) thread.signal = WSTOPSIG(status);
      return true;
    }
    if (got != 0) return true;  // it ended
    if (base::nanotime() > until) return false;
    const timespec moment = {0, 20'000};
    nanosleep(&moment, nullptr);
  }
}

std::int64_t ThreadStop::release() {
  if (threads_.empty()) return 0;
  for (const Thread& thread : threads_) {
    // One that did not stop is let go by the kernel, at the latest when we end.
    if (thread.stopped) (void)request(PTRACE_DETACH, thread.tid, nullptr, static_cast<long>(thread.signal));
  }
  threads_.clear();
  return base::nanotime() - since_ns_;
}

}  // namespace netpoll::probes
