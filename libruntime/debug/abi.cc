// abi.cc: the exported side of netpoll/debug/abi.h.
#include "netpoll/debug/abi.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "libruntime/debug/root.h"
#include "libruntime/debug/snapshot.h"

namespace netpoll::debug {
namespace {

// offsetof on these types is conditionally supported (they are not standard-layout in the letter); gcc and clang do.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
#define NETPOLL_G(field) static_cast<std::uint32_t>(offsetof(sched::G, field))
#define NETPOLL_PD(field) static_cast<std::uint32_t>(offsetof(poll::PollDesc, field))

constexpr GLayout g_layout() {
  GLayout layout{};
  layout.goid = NETPOLL_G(goid);
  layout.status = NETPOLL_G(status);
  layout.wait_reason = NETPOLL_G(wait_reason);
  layout.park_seq = NETPOLL_G(park_seq);
  layout.wait_since = NETPOLL_G(wait_since);
  layout.wait_pd = NETPOLL_G(wait_pd);
  layout.wait_mode = NETPOLL_G(wait_mode);
  layout.parent_goid = NETPOLL_G(parent_goid);
  layout.start_pc = NETPOLL_G(start_pc);
  layout.created_pc = NETPOLL_G(created_pc);
  layout.stack_lo = NETPOLL_G(stack) + static_cast<std::uint32_t>(offsetof(context::Stack, lo));
  layout.stack_hi = NETPOLL_G(stack) + static_cast<std::uint32_t>(offsetof(context::Stack, hi));
  layout.saved_sp = NETPOLL_G(context) + static_cast<std::uint32_t>(offsetof(context::MachineContext, sp));
  layout.labels = NETPOLL_G(labels_below);
  layout.saved_frame = static_cast<std::uint32_t>(kSavedFrame);
  return layout;
}

constexpr PdLayout pd_layout() {
  PdLayout layout{};
  layout.fd = NETPOLL_PD(fd);
  layout.seq = NETPOLL_PD(seq);
  layout.rg = NETPOLL_PD(rg);
  layout.wg = NETPOLL_PD(wg);
  layout.rd = NETPOLL_PD(rd);
  layout.wd = NETPOLL_PD(wd);
  layout.flags = NETPOLL_PD(info);
  return layout;
}
#pragma GCC diagnostic pop

}  // namespace

// Found through what root_elf.cc or root_pe.cc leaves in the file; `used` because nothing here refers to most of it.
extern "C" {
[[gnu::used]] DebugRoot netpoll_debug_root = {
    {'n', 'e', 't', 'p', 'o', 'l', 'l', '-', 'd', 'e', 'b', 'u', 'g', '-', '1', '\0'},
    kAbiMajor,
    kAbiMinor,
    sizeof(DebugRoot),
    trace::kTpCount,
    NETPOLL_VERSION,
    g_layout(),
    pd_layout(),
    {}};
}

Publication::Publication(const sched::Scheduler& scheduler, const poll::Netpoll& netpoll) {
  link_root();
  const Config& config = scheduler.config();
  runtime_.size = sizeof runtime_;
  std::strncpy(runtime_.name, config.name.c_str(), sizeof runtime_.name - 1);
  runtime_.procs = static_cast<std::uint32_t>(config.procs);
  runtime_.poll_mode = static_cast<std::uint32_t>(config.poll_mode);
  runtime_.trigger = static_cast<std::uint32_t>(config.trigger);
  runtime_.epfd = -1;
  runtime_.gs = {reinterpret_cast<std::uint64_t>(scheduler.gs().chunk_array()),
                 reinterpret_cast<std::uint64_t>(scheduler.gs().count_address()), sched::GTable::kPerChunk,
                 sizeof(sched::G)};
  runtime_.pds = {reinterpret_cast<std::uint64_t>(netpoll.cache().chunk_array()),
                  reinterpret_cast<std::uint64_t>(netpoll.cache().count_address()), poll::PollCache::kPerChunk,
                  sizeof(poll::PollDesc)};
  runtime_.counters = reinterpret_cast<std::uint64_t>(scheduler.counter_blocks());
  runtime_.counter_blocks = static_cast<std::uint32_t>(scheduler.ps().size() + 1);
  runtime_.counter_stride = sizeof(trace::Counters);
  runtime_.rings = reinterpret_cast<std::uint64_t>(scheduler.rings());
  runtime_.ring_count = runtime_.counter_blocks;
  runtime_.ring_stride = sizeof(trace::Ring);
  runtime_.record_until = reinterpret_cast<std::uint64_t>(&trace::record_until);
  runtime_.coarse_now = reinterpret_cast<std::uint64_t>(&scheduler.coarse_now());

  for (std::uint64_t& slot : netpoll_debug_root.runtimes) {
    std::uint64_t empty = 0;
    if (__atomic_compare_exchange_n(&slot, &empty, reinterpret_cast<std::uint64_t>(&runtime_), false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_RELAXED)) {
      slot_ = &slot;
      return;
    }
  }
  // All slots are taken: this runtime works, but cannot be seen from outside.
}

Publication::~Publication() {
  if (slot_ != nullptr) __atomic_store_n(slot_, 0, __ATOMIC_SEQ_CST);
}

}  // namespace netpoll::debug
