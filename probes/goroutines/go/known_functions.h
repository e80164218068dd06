// KnownFunctions: the functions of Go's runtime that reading a program needs to know.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "probes/goroutines/go/pclntab.h"

namespace netpoll::probes {

// Nothing, and 0, for those that the program does not have.
struct KnownFunctions {
  static constexpr std::size_t kAllgsUsers = 5;

  // In order of preference; each refers to runtime.allgs and is not inlined away in any version from 1.18 to 1.27.
  std::array<std::optional<GoFunction>, kAllgsUsers> allgs_users;
  // Entries.
  std::uint64_t main = 0;          // which runs the program's main
  std::uint64_t netpollblock = 0;  // in which goroutines wait for descriptors
  std::uint64_t cgocallback = 0;   // these three: after which a stack goes on in another way than after a call
  std::uint64_t async_preempt = 0;
  std::uint64_t sigpanic = 0;
  std::array<std::uint64_t, 2> sigreturns{};  // where signal handlers return to

  // Looks for all of them in one pass over the table.
  static KnownFunctions find(const Pclntab& pclntab);
};

}  // namespace netpoll::probes
