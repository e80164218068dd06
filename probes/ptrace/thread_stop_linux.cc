// Seizes and interrupts threads until no new one appears (ptrace(2), PTRACE_SEIZE and PTRACE_INTERRUPT).
#include "probes/ptrace/thread_stop.h"

#include <dirent.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

struct ThreadStop::Held {
  explicit Held(pid_t process) : pid(process) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held();

  Result<bool> stop_new_threads();

  struct Thread {
    pid_t tid = -1;
    int signal = 0;  // that it had just received, and gets when it runs on
    bool stopped = false;
  };
  bool wait_for(Thread& thread) const;

  pid_t pid;
  std::int64_t since_ns = base::nanotime();
  std::vector<Thread> threads;
};

ThreadStop::ThreadStop(std::unique_ptr<Held> held) : held_(std::move(held)) {}
ThreadStop::ThreadStop(ThreadStop&&) noexcept = default;
ThreadStop::~ThreadStop() = default;

Result<ThreadStop> ThreadStop::stop(pid_t pid) {
  auto all = std::make_unique<Held>(pid);
  // A thread that runs may start others, so that only a round without new ones is the last.
  for (int round = 0; round < kMaxRounds; ++round) {
    auto found = all->stop_new_threads();
    if (!found) return std::move(found).error();
    if (!*found) {
      if (all->threads.empty()) return attach_error(pid, ESRCH);
      return ThreadStop(std::move(all));
    }
  }
  return Error(ErrorKind::kTimeout, "stop pid " + std::to_string(pid) + ": it starts threads faster than they stop");
}

std::int64_t ThreadStop::release() {
  if (held_ == nullptr) return 0;
  const std::int64_t since_ns = held_->since_ns;
  held_.reset();
  return base::nanotime() - since_ns;
}

// Returns whether there were any.
Result<bool> ThreadStop::Held::stop_new_threads() {
  const std::size_t known = threads.size();
  for (const pid_t tid : threads_of(pid)) {
    if (std::any_of(threads.begin(), threads.end(), [&](const Thread& t) { return t.tid == tid; })) continue;
    if (request(PTRACE_SEIZE, tid) != 0) {
      if (errno == ESRCH) continue;  // it ended
      return attach_error(pid, errno);
    }
    (void)request(PTRACE_INTERRUPT, tid);
    threads.push_back({.tid = tid});
  }
  for (std::size_t i = known; i < threads.size(); ++i) {
    if (!wait_for(threads[i])) {
      return Error(ErrorKind::kTimeout,
                   "stop pid " + std::to_string(pid) + ": thread " + std::to_string(threads[i].tid) + " does not stop");
    }
  }
  return threads.size() > known;
}

// False when it neither stops nor ends within the patience: it waits for a device, and nothing interrupts that.
bool ThreadStop::Held::wait_for(Thread& thread) const {
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

ThreadStop::Held::~Held() {
  for (const Thread& thread : threads) {
    // One that did not stop is let go by the kernel, at the latest when we end.
    if (thread.stopped) (void)request(PTRACE_DETACH, thread.tid, nullptr, static_cast<long>(thread.signal));
  }
}

}  // namespace netpoll::probes
