// What the runtime asks of Linux: memory, numbers of threads and processors, the standard error stream.
#include "libruntime/base/system.h"

#include <execinfo.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#include "libruntime/base/posix.h"
#include "libruntime/base/syscall.h"

namespace netpoll::base {
namespace {

#if defined(__SANITIZE_THREAD__)
#define NETPOLL_TSAN_THREAD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NETPOLL_TSAN_THREAD 1
#endif
#endif
#if defined(NETPOLL_TSAN_THREAD)
constexpr std::uint64_t kSanitizerThreads = 1;  // its own, which runs no code of the program
#else
constexpr std::uint64_t kSanitizerThreads = 0;
#endif

std::atomic<std::uint64_t> own_threads{0};

// Signals whose handlers do not count: faults belong to who makes them, and 32 and 33 are glibc's own (nptl(7)).
constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, 32, 33};

std::uint64_t without_faults(std::uint64_t signals) {
  for (const int signal : kFaults) signals &= ~(std::uint64_t{1} << (signal - 1));
  return signals;
}

}  // namespace

void* map_lazily(std::size_t size) {
  const long address =
      sys(SYS_mmap, nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return address < 0 && address > -4096 ? nullptr : reinterpret_cast<void*>(address);
}

void unmap(void* memory, std::size_t size) { sys(SYS_munmap, memory, size); }

std::uint32_t thread_id() { return static_cast<std::uint32_t>(sys(SYS_gettid)); }

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

void count_own_thread(int change) { own_threads.fetch_add(static_cast<std::uint64_t>(change)); }

bool nothing_else_acts(std::uint64_t threads) {
  threads += own_threads.load();
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

void write_to_stderr(const char* text, std::size_t size) { sys(SYS_write, 2, text, size); }

void print_stack() {
  void* frames[48];
  const int count = backtrace(frames, 48);
  backtrace_symbols_fd(frames, count, 2);
}

// Kernel TLS and other upper layer protocols turn the stream into records (include/uapi/linux/tcp.h: TCP_ULP).
bool is_plain_tcp(int fd) {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  if (sys(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != IPPROTO_TCP) return false;
  char name[16] = {};
  size = sizeof name;
  return sys(SYS_getsockopt, fd, IPPROTO_TCP, TCP_ULP, name, &size) != 0 || size == 0 || name[0] == '\0';
}

bool sent_by_kernel(int code, int /*pid*/) { return code == SI_KERNEL; }

int bind_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(static_cast<unsigned>(cpu), &set);
  return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
}

std::string own_path() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : std::string();
}

int open_unnamed(const char* folder) {
  return static_cast<int>(sys(SYS_openat, AT_FDCWD, folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
}

int name_file(int fd, const char* path) {
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

void widen_pipe(int fd, int size) {
  if (::fcntl(fd, F_GETPIPE_SZ) < size) ::fcntl(fd, F_SETPIPE_SZ, size);
}

std::string errno_text(int number) {
  char buffer[128];
  return strerror_r(number, buffer, sizeof buffer);
}

}  // namespace netpoll::base
