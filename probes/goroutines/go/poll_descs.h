// The poller of a Go program: which goroutine waits for which descriptor, by the data words of its epoll registrations,
// each of which is a pointer to a pollDesc.
//
// Facts: Go's runtime/netpoll.go and netpoll_epoll.go; runtime/tagptr_64bit.go for the forms of the pointer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "netpoll/result.h"
#include "netpoll/trace/goroutine.h"
#include "probes/goroutines/go/layout.h"
#include "probes/process/bytes.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// Beyond any descriptor: a number from the target that is as large is none.
constexpr std::uint64_t kMaxFd = 1 << 24;

// What is read of a pollDesc.
struct PollDescRecord {
  std::uint64_t address = 0;
  int fd = -1;
  std::uint64_t rg = 0;  // 0: nobody waits to read; 1: ready; 2: somebody is about to wait; else a g
  std::uint64_t wg = 0;
  std::int64_t rd = 0;  // deadline; 0: none; negative: it has passed; else CLOCK_MONOTONIC in ns
  std::int64_t wd = 0;

  std::uint64_t waiter(trace::IoMode mode) const { return mode == trace::IoMode::kRead ? rg : wg; }
  std::int64_t deadline(trace::IoMode mode) const { return mode == trace::IoMode::kRead ? rd : wd; }
};

// Nothing unless the bytes, which stand at address, are a pollDesc in use: it points to itself.
std::optional<PollDescRecord> parse_poll_desc(std::uint64_t address, Bytes bytes, const PollDescLayout& layout);
std::vector<std::optional<PollDescRecord>> read_poll_descs(Memory& memory, const PollDescLayout& layout,
                                                           std::span<const std::uint64_t> addresses);

// The runtime's epoll instance.
struct PollSet {
  struct Entry {
    std::uint64_t desc = 0;  // address of the pollDesc
    int fd = -1;             // that was registered
    std::optional<std::uint64_t> inode;
  };
  int epfd = -1;               // -1: none found
  std::vector<Entry> entries;  // its registrations
  bool readable = false;       // whether the subject's epoll instances can be listed at all
};

// Lists the registrations of the epoll instance that is Go's, once. Others, and the runtime's own wake-up descriptor,
// fail the check that the pollDesc names the descriptor and itself.
PollSet read_poll_set(Subject& subject, const PollDescLayout& layout);

struct PollWait {
  PollDescRecord desc;
  trace::IoMode mode = trace::IoMode::kRead;
  std::optional<std::uint64_t> inode;  // of the registered file, where the poller says it
};
// The pollDescs of set, in its order, and who waits by them, by address of its g.
std::vector<std::optional<PollDescRecord>> read_poll_descs(Memory& memory, const PollDescLayout& layout,
                                                           const PollSet& set);
std::unordered_map<std::uint64_t, PollWait> poll_waits(const PollSet& set,
                                                       std::span<const std::optional<PollDescRecord>> descs);

}  // namespace netpoll::probes
