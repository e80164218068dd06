// The number of descriptors this process has open, for leak checks.
#pragma once

#include <dirent.h>

#include <cstddef>

namespace netpoll::test {

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

}  // namespace netpoll::test
