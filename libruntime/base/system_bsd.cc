// What the runtime asks of FreeBSD and macOS: memory, numbers of threads and processors, the standard error stream.
#include "libruntime/base/system.h"

#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unwind.h>

#if defined(__APPLE__)
#include <mach-o/dyld.h>
#else
#include <pthread_np.h>
#include <sys/sysctl.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "libruntime/base/posix.h"
#include "libruntime/base/syscall.h"

namespace netpoll::base {
namespace {

constexpr int kMostFrames = 48;

_Unwind_Reason_Code print_frame(_Unwind_Context* context, void* left) {
  const auto address = static_cast<std::uintptr_t>(_Unwind_GetIP(context));
  Dl_info info{};
  const bool named = ::dladdr(reinterpret_cast<void*>(address), &info) != 0 && info.dli_sname != nullptr;
  char line[256];
  const int size =
      std::snprintf(line, sizeof line, "[%#zx] %s\n", static_cast<std::size_t>(address), named ? info.dli_sname : "?");
  write_to_stderr(line, std::min(static_cast<std::size_t>(size), sizeof line - 1));
  return --*static_cast<int*>(left) > 0 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

}  // namespace

void* map_lazily(std::size_t size) {
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void unmap(void* memory, std::size_t size) { ::munmap(memory, size); }

#if defined(__APPLE__)

std::uint32_t thread_id() {
  std::uint64_t id = 0;
  ::pthread_threadid_np(nullptr, &id);
  return static_cast<std::uint32_t>(id);
}

// macOS binds no process to processors.
int usable_cpus() { return std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN))); }

int bind_to_cpu(int /*cpu*/) { return ENOTSUP; }

std::string own_path() {
  char path[4096];
  std::uint32_t size = sizeof path;
  return ::_NSGetExecutablePath(path, &size) == 0 ? path : std::string();
}

// Its signals from the keyboard carry the code of a process's, and no process.
bool sent_by_kernel(int /*code*/, int pid) { return pid == 0; }

#else

std::uint32_t thread_id() { return static_cast<std::uint32_t>(::pthread_getthreadid_np()); }

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

int bind_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  return ::sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
}

std::string own_path() {
  const int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1};
  char path[4096];
  std::size_t size = sizeof path;
  return ::sysctl(name, 4, path, &size, nullptr, 0) == 0 ? path : std::string();
}

bool sent_by_kernel(int code, int /*pid*/) { return code == SI_KERNEL; }

#endif

int open_unnamed(const char* /*folder*/) { return -EOPNOTSUPP; }
int name_file(int /*fd*/, const char* /*path*/) { return EOPNOTSUPP; }
void widen_pipe(int /*fd*/, int /*size*/) {}

// Which handlers a process has is asked signal by signal there, and its threads are not told without privileges or
// private interfaces: nothing is known, and a deadlock is not said.
void count_own_thread(int /*change*/) {}
bool nothing_else_acts(std::uint64_t /*threads*/) { return false; }

void write_to_stderr(const char* text, std::size_t size) { sys(SYS_write, 2, text, size); }

void print_stack() {
  int left = kMostFrames;
  _Unwind_Backtrace(print_frame, &left);
}

bool is_plain_tcp(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return sys(SYS_getsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0;
}

std::string errno_text(int number) {
  char buffer[128];
  return ::strerror_r(number, buffer, sizeof buffer) == 0 ? buffer : "errno " + std::to_string(number);
}

}  // namespace netpoll::base
