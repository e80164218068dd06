// What the runtime asks of Windows: memory, numbers of threads and processors, the standard error stream, and words for
// the errno of a socket.
#include "libruntime/base/system.h"

#include <windows.h>
#include <winsock2.h>

#include <tlhelp32.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace netpoll::base {

// Committed at once, since a fault handler that commits page by page would have to be everybody's. That counts against
// what the machine may promise, and touches nothing.
void* map_lazily(std::size_t size) { return VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE); }

void unmap(void* memory, std::size_t) { VirtualFree(memory, 0, MEM_RELEASE); }

std::uint32_t thread_id() { return GetCurrentThreadId(); }

int usable_cpus() {
  DWORD_PTR ours = 0;
  DWORD_PTR all = 0;
  if (GetProcessAffinityMask(GetCurrentProcess(), &ours, &all) == 0) return 1;
  return std::max(1, std::popcount(static_cast<std::uint64_t>(ours)));
}

namespace {
std::atomic<std::uint64_t> own_threads{0};
}  // namespace

void count_own_thread(int change) { own_threads.fetch_add(static_cast<std::uint64_t>(change)); }

// Windows has no asynchronous signals; a console handler and the thread pool run on threads, and those are counted.
bool nothing_else_acts(std::uint64_t threads) {
  const HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
  if (list == INVALID_HANDLE_VALUE) return false;
  std::uint64_t found = 0;
  THREADENTRY32 entry{};
  entry.dwSize = sizeof entry;
  for (BOOL more = Thread32First(list, &entry); more != 0; more = Thread32Next(list, &entry)) {
    if (entry.th32OwnerProcessID == GetCurrentProcessId()) ++found;
  }
  CloseHandle(list);
  return found == threads + own_threads.load();
}

void write_to_stderr(const char* text, std::size_t size) {
  DWORD written = 0;
  WriteFile(GetStdHandle(STD_ERROR_HANDLE), text, static_cast<DWORD>(size), &written, nullptr);
}

// By address: names are in the program's DWARF, which no part of Windows reads.
void print_stack() {
  void* frames[48];
  const USHORT count = RtlCaptureStackBackTrace(0, 48, frames, nullptr);
  for (USHORT i = 0; i < count; ++i) {
    char line[32];
    const int size = std::snprintf(line, sizeof line, "[%p]\n", frames[i]);
    write_to_stderr(line, static_cast<std::size_t>(size));
  }
}

// The C library knows the names of its own numbers only, which end before those of sockets.
std::string errno_text(int number) {
  switch (number) {
    case EADDRINUSE:
      return "Address already in use";
    case EADDRNOTAVAIL:
      return "Cannot assign requested address";
    case EAFNOSUPPORT:
      return "Address family not supported by protocol";
    case EALREADY:
      return "Operation already in progress";
    case ECANCELED:
      return "Operation canceled";
    case ECONNABORTED:
      return "Software caused connection abort";
    case ECONNREFUSED:
      return "Connection refused";
    case ECONNRESET:
      return "Connection reset by peer";
    case EDESTADDRREQ:
      return "Destination address required";
    case EHOSTUNREACH:
      return "No route to host";
    case EINPROGRESS:
      return "Operation now in progress";
    case EISCONN:
      return "Transport endpoint is already connected";
    case EMSGSIZE:
      return "Message too long";
    case ENETDOWN:
      return "Network is down";
    case ENETRESET:
      return "Network dropped connection on reset";
    case ENETUNREACH:
      return "Network is unreachable";
    case ENOBUFS:
      return "No buffer space available";
    case ENOPROTOOPT:
      return "Protocol not available";
    case ENOTCONN:
      return "Transport endpoint is not connected";
    case ENOTSOCK:
      return "Socket operation on non-socket";
    case EOPNOTSUPP:
      return "Operation not supported";
    case EPROTO:
      return "Protocol error";
    case EPROTONOSUPPORT:
      return "Protocol not supported";
    case ETIMEDOUT:
      return "Connection timed out";
    case EWOULDBLOCK:
      return "Operation would block";
    default: {
      char buffer[128];
      if (strerror_s(buffer, sizeof buffer, number) != 0) return "errno " + std::to_string(number);
      return buffer;
    }
  }
}

}  // namespace netpoll::base
