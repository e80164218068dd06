// The debug ABI: how another process finds and reads a live libruntime without stopping it and without symbols.
//
// 1. Every ELF file that contains libruntime carries a loaded note (survives strip) in section .note.netpoll:
//      name "netpoll\0", type kNoteType, descriptor: one int64, the distance from the descriptor's own address to the
//      variable of type DebugRoot in the same file.
//    So: for each ELF mapping in /proc/PID/maps walk PT_NOTE, add descriptor address + value, and read DebugRoot.
// 2. DebugRoot says magic, version and the offsets of everything below. A reader must use the offsets and strides
//    published there, never its own sizeof: a newer runtime may append fields. It must refuse another magic or major.
// 3. All tables are type-stable: memory once published is never unmapped while the Runtime lives. Records are written
//    by the runtime while they are read; for a consistent view of a G read it, read what it refers to, read it again,
//    and accept when `goid`, `status` and `park_seq` did not change.
//
// Plain C-compatible data, fixed widths, little endian. Pointers are uint64 addresses in the target.
#pragma once

#include <cstdint>

namespace netpoll::debug {

inline constexpr char kNoteName[8] = "netpoll";
inline constexpr std::uint32_t kNoteType = 1;
inline constexpr char kMagic[16] = "netpoll-debug-1";
inline constexpr std::uint32_t kAbiMajor = 1;  // incompatible change
inline constexpr std::uint32_t kAbiMinor = 1;  // appended fields
inline constexpr std::uint32_t kMaxRuntimes = 16;

// How a switch leaves the registers of a goroutine, from saved_sp upwards in words of 8 bytes (libruntime/context).
enum class SavedFrame : std::uint32_t {
  kUnknown = 0,
  kX64 = 1,      // control words, r15, r14, r13, r12, rbx, rbp, rip; the stack pointer is behind them
  kAarch64 = 2,  // x19 to x28, x29, x30 (where it goes on), d8 to d15, fpcr, padding; the stack pointer is behind them
};

// A goroutine's labels: at `first` bytes from here `count` pairs of u32 sizes (key, value), behind them the texts in
// that order; `bytes` in all, this header included. Immutable while `self` is its own address; shared by goroutines,
// freed with the last one.
struct LabelSet {
  std::uint64_t self;
  std::uint32_t count;
  std::uint32_t first;
  std::uint32_t bytes;
  std::uint32_t reserved;
};

// Where a G keeps its fields (byte offsets in the G record; every width is given).
struct GLayout {
  std::uint32_t goid;         // u64; 0: the record was never used
  std::uint32_t status;       // u32 GStatus
  std::uint32_t wait_reason;  // u32 WaitReason, valid while waiting
  std::uint32_t park_seq;     // u64, +1 at each park
  std::uint32_t wait_since;   // i64 ns CLOCK_MONOTONIC; resolution: see DebugRuntime::coarse_now
  std::uint32_t wait_pd;      // u32 pollDesc index waited for, 0 none
  std::uint32_t wait_mode;    // u32 0 read, 1 write
  std::uint32_t parent_goid;  // u64
  std::uint32_t start_pc;     // u64 entry of the goroutine's function
  std::uint32_t created_pc;   // u64 return address of the go() call
  std::uint32_t stack_lo;     // u64 lowest usable address
  std::uint32_t stack_hi;     // u64 one past the highest
  std::uint32_t saved_sp;     // u64 stack pointer while not running; 0: at rest, it will begin anew at start_pc
  // Since minor 1; 0 before.
  std::uint32_t saved_frame;  // not an offset: a SavedFrame
  std::uint32_t labels;       // u32; 0: it has none, else the u64 address of its LabelSet lies so far below stack_hi
  std::uint32_t reserved[1];
};

// Where a pollDesc keeps its fields.
struct PdLayout {
  std::uint32_t fd;     // i32, -1 free
  std::uint32_t seq;    // u32 life number; epoll data = seq << 32 | index
  std::uint32_t rg;     // u64: 0 nil, 1 ready, 2 wait, else address of the parked G record
  std::uint32_t wg;     // u64
  std::uint32_t rd;     // i64 read deadline: 0 none, > 0 absolute CLOCK_MONOTONIC ns, < 0 expired
  std::uint32_t wd;     // i64 write deadline
  std::uint32_t flags;  // u32 bit 0 closing, bit 1 hang-up seen, bit 2 foreign change seen
  std::uint32_t reserved;
};

// A table of fixed-size records in chunks. Record i is at *(u64*)(chunks + 8 * (i / per_chunk)) + stride * (i %
// per_chunk).
struct TableRef {
  std::uint64_t chunks;  // address of an array of chunk addresses
  std::uint64_t count;   // address of a u64: records in use so far (indices 0 .. count-1 are readable)
  std::uint32_t per_chunk;
  std::uint32_t stride;
};

// One ring of tracepoints (trace::Event, netpoll/trace/event.h): event number i, from 1, is in slot (i - 1) % capacity.
// To read: take head, copy slots, take head again; event i is whole when its slot says sequence == i and i + capacity
// is above the second head + 1, since the writer may be busy with the event after that one. What is not whole was lost.
struct RingHeader {
  std::uint64_t head;   // number of the last event written
  std::uint64_t slots;  // address
  std::uint32_t capacity;
  std::uint32_t event_size;  // 0: no memory, nothing is ever written
};

// One live Runtime object. Published in DebugRoot::runtimes after it is complete, withdrawn before it is destroyed.
struct DebugRuntime {
  std::uint64_t size;  // sizeof(DebugRuntime) of the writer
  char name[32];       // Config::name, NUL-terminated
  std::uint32_t procs;
  std::uint32_t poll_mode;  // PollMode
  std::uint32_t trigger;    // Trigger
  std::int32_t epfd;        // -1 before the first registration
  TableRef gs;              // G records
  TableRef pds;             // pollDesc records; index 0 is never used
  std::uint64_t counters;   // address of u64 counter blocks: counter_blocks × counter_stride bytes; each holds
                            // tp_count u64 counters in the order of tracepoints.def; sum over all blocks
  std::uint32_t counter_blocks;
  std::uint32_t counter_stride;
  std::uint64_t coarse_now;  // address of i64: the runtime's coarse clock, ns CLOCK_MONOTONIC; refreshed at each
                             // blocking poll and by sysmon at least every 10 ms while goroutines run
  std::uint64_t rings;       // address of ring_count RingHeaders, ring_stride apart: of each P, then of the threads
                             // that work without one
  std::uint32_t ring_count;
  std::uint32_t ring_stride;
  // Since minor 1: address of a u64, the same for all Runtimes of a process. Rings are written until CLOCK_MONOTONIC
  // has passed this many ns. A reader writes it, a second or so ahead, and again before that is over; it writes nothing
  // at its end, since it may not be the only one.
  std::uint64_t record_until;
};

struct DebugRoot {
  char magic[16];
  std::uint32_t abi_major;
  std::uint32_t abi_minor;
  std::uint32_t root_size;
  std::uint32_t tp_count;
  char runtime_version[16];
  GLayout g;
  PdLayout pd;
  std::uint64_t runtimes[kMaxRuntimes];  // address of DebugRuntime, 0 for an empty slot; may have gaps
};

}  // namespace netpoll::debug
