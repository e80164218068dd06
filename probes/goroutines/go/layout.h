// Where the runtime's structs have the fields that a snapshot needs, by the target's own type descriptors.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "netpoll/result.h"
#include "probes/goroutines/go/type_metadata.h"

namespace netpoll::probes {

// The words of a g that every version has (Go's runtime/runtime2.go: g, gobuf): their offsets in a GLayout, what they
// hold in a GoG.
struct GWords {
  std::uint64_t stack_lo = 0;
  std::uint64_t stack_hi = 0;
  std::uint64_t m = 0;
  std::uint64_t sched_sp = 0;
  std::uint64_t sched_pc = 0;
  std::uint64_t sched_lr = 0;
  std::uint64_t syscall_sp = 0;
  std::uint64_t syscall_pc = 0;
  std::uint64_t goid = 0;
  std::uint64_t wait_since = 0;  // an int64 of nanoseconds
  std::uint64_t go_pc = 0;
  std::uint64_t start_pc = 0;
  std::uint64_t locked_m = 0;
  std::uint64_t labels = 0;
};
inline constexpr std::array kGWords = {&GWords::stack_lo, &GWords::stack_hi,   &GWords::m,          &GWords::sched_sp,
                                       &GWords::sched_pc, &GWords::sched_lr,   &GWords::syscall_sp, &GWords::syscall_pc,
                                       &GWords::goid,     &GWords::wait_since, &GWords::go_pc,      &GWords::start_pc,
                                       &GWords::locked_m, &GWords::labels};

// Offsets in bytes.
struct GLayout : GWords {
  std::uint64_t status = 0;                  // of an uint32
  std::uint64_t wait_reason = 0;             // of an uint8
  std::optional<std::uint64_t> parent_goid;  // since 1.21
  std::uint64_t bytes = 0;                   // of a g, from its start, that hold all of them

  std::uint64_t m_procid = 0;
  std::optional<std::uint64_t> m_gsignal;  // these three: where a thread is that is not on its goroutine's stack
  std::optional<std::uint64_t> m_vdso_sp;
  std::optional<std::uint64_t> m_vdso_pc;
};

// Go's runtime/netpoll.go: pollDesc.
struct PollDescLayout {
  std::uint64_t fd = 0;
  std::uint64_t rg = 0;
  std::uint64_t wg = 0;
  std::uint64_t rd = 0;
  std::uint64_t wd = 0;
  std::uint64_t self = 0;
  std::uint64_t bytes = 0;
};

enum class LabelForm : std::uint8_t { kNone, kMap, kSlice };

struct GoLayout {
  GLayout g;
  std::optional<PollDescLayout> poll_desc;  // nothing: the program does not use the poller
  LabelForm labels = LabelForm::kNone;      // kNone: it does not use labels
};

// kNotSupported names what could not be established.
Result<GoLayout> derive_layout(const TypeMetadata& types);

}  // namespace netpoll::probes
