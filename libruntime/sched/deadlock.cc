// Asks twice whether anybody is left who could wake a goroutine.
#include "libruntime/sched/deadlock.h"

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "libruntime/sched/scheduler.h"

namespace netpoll::sched {
namespace {

// Lock order: before any Scheduler's mutex.
struct Schedulers {
  base::Mutex mutex;
  std::vector<Scheduler*> all NETPOLL_GUARDED_BY(mutex);
};
Schedulers& schedulers() {
  // Never destroyed: a Runtime may be a static object.
  static auto& instance = *new Schedulers;
  return instance;
}

#if defined(NETPOLL_TSAN)
constexpr std::uint64_t kSanitizerThreads = 1;  // its own, which runs no code of the program
#else
constexpr std::uint64_t kSanitizerThreads = 0;
#endif

// Signals whose handlers do not count: faults belong to who makes them, and 32 and 33 are glibc's own (nptl(7)).
constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, 32, 33};

std::uint64_t without_faults(std::uint64_t signals) {
  for (const int signal : kFaults) signals &= ~(std::uint64_t{1} << (signal - 1));
  return signals;
}

}  // namespace

void enlist(Scheduler& scheduler) {
  Schedulers& list = schedulers();
  const base::MutexLock lock(list.mutex);
  list.all.push_back(&scheduler);
}

void delist(Scheduler& scheduler) {
  Schedulers& list = schedulers();
  const base::MutexLock lock(list.mutex);
  std::erase(list.all, &scheduler);
}

std::optional<Rest> everybody_at_rest() {
  Schedulers& list = schedulers();
  const base::MutexLock lock(list.mutex);
  Rest rest;
  for (Scheduler* scheduler : list.all) {
    if (!scheduler->add_rest(rest)) return std::nullopt;
  }
  return rest;
}

bool nobody_else(std::uint64_t threads) {
  // proc_pid_status(5).
  constexpr std::string_view kThreads = "Threads:";
  constexpr std::string_view kCaught = "SigCgt:";
  std::ifstream status("/proc/self/status");
  bool counted = false;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kThreads)) {
      if (std::strtoull(line.c_str() + kThreads.size(), nullptr, 10) != threads + kSanitizerThreads) return false;
      counted = true;
    } else if (line.starts_with(kCaught)) {
      return counted && without_faults(std::strtoull(line.c_str() + kCaught.size(), nullptr, 16)) == 0;
    }
  }
  return false;
}

}  // namespace netpoll::sched
