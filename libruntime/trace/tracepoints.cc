// The table of tracepoints, and their USDT semaphores.
#include "netpoll/trace/event.h"

#include "libruntime/trace/usdt.h"

namespace netpoll::trace {
namespace {

// "_" in the table marks an unused argument; TpInfo shows it as empty.
constexpr std::string_view arg_name(std::string_view name) { return name == "_" ? std::string_view{} : name; }

constexpr std::array<TpInfo, kTpCount> kTable = {{
#define NETPOLL_TRACEPOINT(tp, argc, a, b, c, d, e, meaning) \
  TpInfo{#tp, argc, {arg_name(#a), arg_name(#b), arg_name(#c), arg_name(#d), arg_name(#e)}, meaning},
#include "netpoll/trace/tracepoints.def"
#undef NETPOLL_TRACEPOINT
}};

}  // namespace

const std::array<TpInfo, kTpCount>& tracepoints() { return kTable; }

}  // namespace netpoll::trace

#if NETPOLL_HAVE_USDT
// The USDT semaphores: a tracer that attaches increments them in the target (sys/sdt.h; uprobe reference counter).
#define NETPOLL_TRACEPOINT(tp, argc, a, b, c, d, e, meaning)                                                          \
  extern "C" {                                                                                                        \
  volatile unsigned short NETPOLL_SEMAPHORE(tp) __attribute__((section(".probes"), used, visibility("default"))) = 0; \
  }
#include "netpoll/trace/tracepoints.def"
#undef NETPOLL_TRACEPOINT
#endif
