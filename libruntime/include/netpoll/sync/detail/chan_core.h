// chan_core.h: what Channel<T> and select share for all T: elements are bytes with a way to move them. The code behind
// these functions exists once (libruntime/sync/chan*.cc). Not an interface for users.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "netpoll/error.h"

namespace netpoll::sync {

enum class ChanStatus : std::uint8_t { kOk, kWouldBlock, kClosed, kTimeout, kCanceled };

// How elements of one type are handled. relocate(to, from) constructs *to from *from and ends the life of *from; null
// means memcpy. destroy is null where there is nothing to do.
struct ElementType {
  std::size_t size;
  std::size_t align;
  void (*relocate)(void* to, void* from);
  void (*destroy)(void* element);
};

template <typename T>
inline constexpr ElementType kElementType = {
    sizeof(T), alignof(T),
    std::is_trivially_copyable_v<T> ? nullptr
                                    : +[](void* to, void* from) {
                                        auto* value = static_cast<T*>(from);
                                        std::construct_at(static_cast<T*>(to), std::move(*value));
                                        std::destroy_at(value);
                                      },
    std::is_trivially_destructible_v<T> ? nullptr : +[](void* element) { std::destroy_at(static_cast<T*>(element)); }};

// Room for a T whose life is managed by hand: on the way through a channel it ends and begins elsewhere.
template <typename T>
union Slot {
  Slot() {}
  ~Slot() {}
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  // Moves the value out and ends its life here.
  T take() {
    T result(std::move(value));
    std::destroy_at(&value);
    return result;
  }

  T value;
};

class ChanCore;

inline constexpr std::int64_t kForever = INT64_MAX;

// Counted references; the last unref destroys the channel and what is buffered in it.
ChanCore* chan_make(const ElementType& type, std::size_t capacity);
void chan_ref(ChanCore* chan);
void chan_unref(ChanCore* chan);

// Move one element from or to *element, which holds a value exactly when the call is a send that did not return kOk or
// a receive that did. deadline is absolute CLOCK_MONOTONIC ns. The try forms never park.
ChanStatus chan_send(ChanCore& chan, void* element, std::int64_t deadline);
ChanStatus chan_recv(ChanCore& chan, void* element, std::int64_t deadline);
ChanStatus chan_try_send(ChanCore& chan, void* element);
ChanStatus chan_try_recv(ChanCore& chan, void* element);
// Returns whether this call closed it.
bool chan_close(ChanCore& chan);
bool chan_closed(ChanCore& chan);
std::size_t chan_size(ChanCore& chan);
std::size_t chan_capacity(ChanCore& chan);

// The Error for a status other than kOk; what names the operation ("send on channel").
Error chan_error(ChanStatus status, const char* what);

// One row of a select. The core of a kRecv or kSend row outlives the call.
struct SelectRow {
  enum class Kind : std::uint8_t { kNever, kRecv, kSend, kAfter, kOtherwise };
  Kind kind = Kind::kNever;
  ChanCore* chan = nullptr;
  void* element = nullptr;           // as in chan_send and chan_recv
  std::int64_t deadline = kForever;  // of kAfter
};

struct Selected {
  std::size_t index = 0;
  ChanStatus status = ChanStatus::kOk;  // kOk, kClosed; kCanceled: no row was chosen
};

// At most kMaxSelectRows rows, at most one of them kOtherwise.
inline constexpr std::size_t kMaxSelectRows = 64;
Selected select_rows(SelectRow* rows, std::size_t count);

}  // namespace netpoll::sync
