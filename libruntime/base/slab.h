// slab.h: memory for many small objects.
#pragma once

#include <cstddef>

#include "netpoll/base/mutex.h"

namespace netpoll::base {

// Slab: blocks of a cache line each, so that an object of that size never lies in two, and without malloc's 16 bytes of
// its own. They come by the page, and the pages stay with the Slab. Thread-safe.
class Slab {
 public:
  static constexpr std::size_t kBlock = 64;

  // An uninitialised block. Throws std::bad_alloc.
  void* get();
  // Takes a block back.
  void put(void* block);

 private:
  struct Free {
    Free* next;
  };

  Mutex mutex_;
  Free* free_ NETPOLL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace netpoll::base
