// The number of descriptors this process has open, for leak checks.
#pragma once

#ifdef _WIN32
#include <windows.h>
#else
#include <dirent.h>
#endif

#include <cstddef>
#include <cstdint>

namespace netpoll::test {

#ifdef _WIN32

// Of sockets, pipes and files. Other handles come and go with threads and locks.
inline std::size_t open_descriptors() {
  constexpr std::uintptr_t kMostHandles = 1024;
  std::size_t count = 0;
  for (std::uintptr_t number = 1; number <= kMostHandles; ++number) {
    const DWORD type = GetFileType(reinterpret_cast<HANDLE>(4 * number));
    if (type == FILE_TYPE_PIPE || type == FILE_TYPE_DISK) ++count;
  }
  return count;
}

#else

// Only in programs that run over support/kqueue/kqueue.cc; see kqueue.h there.
[[gnu::weak]] void reclaim_kqueues();

inline std::size_t open_descriptors() {
  if (&reclaim_kqueues != nullptr) reclaim_kqueues();
  std::size_t count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

#endif

}  // namespace netpoll::test
