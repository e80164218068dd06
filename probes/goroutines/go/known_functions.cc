// The names of the functions, looked up together.
#include "probes/goroutines/go/known_functions.h"

#include <string_view>

namespace netpoll::probes {
namespace {

// Users of allgs first.
constexpr std::array<std::string_view, 12> kNames = {
    "runtime.allgadd",      "runtime.forEachG", "runtime.newproc1",     "runtime.checkdead",
    "runtime.schedinit",    "runtime.main",     "runtime.netpollblock", "runtime.cgocallback",
    "runtime.asyncPreempt", "runtime.sigpanic", "runtime.sigreturn",    "runtime.sigreturn__sigaction",
};

}  // namespace

KnownFunctions KnownFunctions::find(const Pclntab& pclntab) {
  const auto found = pclntab.functions_named(kNames);
  KnownFunctions known;
  std::size_t next = 0;
  for (auto& user : known.allgs_users) user = found[next++];
  for (std::uint64_t* entry : {&known.main, &known.netpollblock, &known.cgocallback, &known.async_preempt,
                               &known.sigpanic, &known.sigreturns[0], &known.sigreturns[1]}) {
    const auto& function = found[next++];
    if (function) *entry = function->entry;
  }
  return known;
}

}  // namespace netpoll::probes
