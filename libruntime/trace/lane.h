// lane.h: the place a thread writes its tracepoints to, and the macro that fires one.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "libruntime/trace/ring.h"
#include "libruntime/trace/usdt.h"
#include "netpoll/base/mutex.h"
#include "netpoll/trace/event.h"

namespace netpoll::trace {

// Lane: exact counters and, while somebody asks for it, the ring of one P; or, with kShared, of all threads that work
// without a P (poll thread, sysmon, threads of the program that start goroutines or wake them).
class alignas(64) Lane {
 public:
  static constexpr std::uint16_t kShared = 0xffff;

  // counters and ring belong to the scheduler, which keeps those of all lanes side by side for the debug ABI.
  Lane(std::uint16_t p, Counters& counters, Ring& ring) : counters_(counters), ring_(ring), p_(p) {}

  void count(Tp tp) {
    if (p_ != kShared) {
      counters_.add(tp);
    } else {
      counters_.count[static_cast<std::size_t>(tp)].fetch_add(1, std::memory_order_relaxed);
    }
  }
  static bool recording() { return record_until.load(std::memory_order_relaxed) != 0; }
  // Stamps and stores an event. Only behind recording(): it reads the clock.
  void record(Tp tp, std::initializer_list<std::int64_t> args);

 private:
  Counters& counters_;
  Ring& ring_;
  const std::uint16_t p_;
  base::Mutex mutex_;  // serialises record() of a shared lane
};

}  // namespace netpoll::trace

// NETPOLL_TRACE(lane, park, goid, pd, fd, mode, reason): counts, and tells whoever listens. With nobody listening the
// cost is one increment, one test of the probe's semaphore and one of record_until; the arguments are not computed.
#define NETPOLL_TRACE(lane, name, ...)                                                                   \
  do {                                                                                                   \
    ::netpoll::trace::Lane& lane_ = (lane);                                                              \
    lane_.count(::netpoll::trace::Tp::name);                                                             \
    if (__builtin_expect(NETPOLL_SEMAPHORE(name) != 0, 0)) NETPOLL_USDT(name, __VA_ARGS__);              \
    if (__builtin_expect(lane_.recording(), 0)) lane_.record(::netpoll::trace::Tp::name, {__VA_ARGS__}); \
  } while (false)

// What a trace argument is made of: everything is a 64-bit signed word.
#define NETPOLL_ARG(value) static_cast<std::int64_t>(value)
