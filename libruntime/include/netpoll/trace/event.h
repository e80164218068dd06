// Trace events: the value type in which libruntime, probes and exporters meet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace netpoll::trace {

// Tp names a tracepoint: Tp::park. Its numeric value is the row in tracepoints.def and part of the debug ABI.
enum class Tp : std::uint8_t {
#define NETPOLL_TRACEPOINT(name, argc, a, b, c, d, e, meaning) name,
#include "netpoll/trace/tracepoints.def"
#undef NETPOLL_TRACEPOINT
};

inline constexpr std::size_t kTpCount = 0
#define NETPOLL_TRACEPOINT(name, argc, a, b, c, d, e, meaning) +1
#include "netpoll/trace/tracepoints.def"
#undef NETPOLL_TRACEPOINT
    ;
inline constexpr std::size_t kTpMaxArgs = 5;

// TpInfo describes a row of the table: JSON name, argument names (argc of them) and meaning. Static storage.
struct TpInfo {
  std::string_view name;
  std::uint8_t argc;
  std::array<std::string_view, kTpMaxArgs> args;
  std::string_view meaning;
};

// Returns the table, indexed by Tp.
const std::array<TpInfo, kTpCount>& tracepoints();

// Event is one occurrence. Trivially copyable; also the record format of the per-P rings (debug/abi.h).
struct Event {
  std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC
  Tp tp{};
  std::uint8_t reserved = 0;
  std::uint16_t p = 0;    // P the event happened on, 0xffff without a P
  std::uint32_t tid = 0;  // kernel thread id
  std::array<std::int64_t, kTpMaxArgs> args{};
  std::uint64_t sequence = 0;  // per ring, counts from 1; a gap is a loss
};
static_assert(sizeof(Event) == 64);

}  // namespace netpoll::trace
