// The public face of ChanCore: creation in one piece of memory, reference counts, errors.
#include "netpoll/sync/channel.h"

#include <algorithm>
#include <new>

#include "libruntime/base/fatal.h"
#include "libruntime/sync/chan.h"

namespace netpoll::sync {
namespace {

// The buffer follows the core.
std::size_t buffer_offset(const ElementType& type) {
  return (sizeof(ChanCore) + type.align - 1) / type.align * type.align;
}

std::align_val_t chan_align(const ElementType& type) {
  return std::align_val_t{std::max(alignof(ChanCore), type.align)};
}

}  // namespace

ChanCore* chan_make(const ElementType& type, std::size_t capacity) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(capacity, type.size, &bytes) ||
      __builtin_add_overflow(bytes, buffer_offset(type), &bytes)) {
    base::fatalf("netpoll: channel for %zu elements of %zu bytes", capacity, type.size);
  }
  auto* memory = static_cast<std::byte*>(::operator new(bytes, chan_align(type)));
  return new (memory) ChanCore(type, capacity, memory + buffer_offset(type));
}

void chan_ref(ChanCore* chan) { chan->refs.fetch_add(1, std::memory_order_relaxed); }

void chan_unref(ChanCore* chan) {
  if (chan->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::align_val_t align = chan_align(chan->type());
  chan->~ChanCore();
  ::operator delete(chan, align);
}

ChanStatus chan_send(ChanCore& chan, void* element, std::int64_t deadline) { return chan.send(element, deadline); }
ChanStatus chan_recv(ChanCore& chan, void* element, std::int64_t deadline) {
  return chan.recv(element, deadline, WaitReason::kChanReceive);
}
ChanStatus chan_try_send(ChanCore& chan, void* element) { return chan.try_send(element); }
ChanStatus chan_try_recv(ChanCore& chan, void* element) { return chan.try_recv(element); }
bool chan_close(ChanCore& chan) { return chan.close(); }
bool chan_closed(ChanCore& chan) { return chan.closed(); }
std::size_t chan_size(ChanCore& chan) { return chan.size(); }
std::size_t chan_capacity(ChanCore& chan) { return chan.capacity(); }

Error chan_error(ChanStatus status, const char* what) {
  switch (status) {
    case ChanStatus::kTimeout:
      return {ErrorKind::kTimeout, what};
    case ChanStatus::kCanceled:
      return {ErrorKind::kCanceled, what};
    case ChanStatus::kOk:
    case ChanStatus::kWouldBlock:
    case ChanStatus::kClosed:
      break;
  }
  return {ErrorKind::kClosing, what};
}

}  // namespace netpoll::sync
