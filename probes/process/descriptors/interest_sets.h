// The interest sets of a process: what is registered with each of its epoll instances, from /proc alone.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "netpoll/result.h"
#include "netpoll/trace/goroutine.h"
#include "probes/process/descriptors/descriptors.h"
#include "probes/process/descriptors/uring_instances.h"

namespace netpoll::probes {

// What the number of a registration stands for in the process now. A registration belongs to the open file, not to the
// number (epoll(7), "Will closing a file descriptor cause it to be removed from all epoll interest lists?").
enum class NumberState : std::uint8_t {
  kSame,    // the registered file
  kClosed,  // nothing; the file is open elsewhere and keeps firing
  kReused,  // another file
};

struct InterestEntry {
  int fd = -1;
  std::uint32_t events = 0;  // EPOLLIN..., and the flags EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE
  std::uint64_t data = 0;
  std::optional<std::uint64_t> inode;  // of the registered file
  NumberState state = NumberState::kSame;
  std::optional<bool> nonblocking;          // O_NONBLOCK of the file; unknown where the number is not its own any more
  bool is_epoll = false;                    // the file is an epoll instance itself
  DescriptorInfo file;                      // what the number stands for, where that is the registered file
  std::vector<trace::PeerProcess> holders;  // of a file whose number here is closed or reused: who keeps it alive

  // Whether an event could be reported: EPOLLONESHOT clears the mask at each report (EP_PRIVATE_BITS in
  // fs/eventpoll.c), and an armed one has EPOLLERR and EPOLLHUP always.
  bool armed() const;
};

// What epoll_wait(2) polls of the network card before it sleeps (ioctl_eventpoll(2), Linux 6.9).
struct BusyPoll {
  std::uint32_t usecs = 0;  // 0: it does not
  std::uint16_t budget = 0;
  bool prefer = false;
};

struct InterestSet {
  pid_t pid = -1;
  int epfd = -1;
  std::vector<InterestEntry> entries;  // by number
  std::vector<pid_t> waiting_threads;  // that are in epoll_wait(2) and kin on it now
  std::optional<BusyPoll> busy_poll;   // unknown where we may not duplicate the instance, or the kernel is older
  std::vector<trace::PeerProcess> shared_with;  // other descriptors of the same instance, here and in other processes
};

// What the pollers of a process are.
struct Pollers {
  std::vector<InterestSet> sets;
  std::vector<UringInstance> rings;
};

// Reads all of them, each list once: the kernel holds the instance's lock while it writes one, about 2 us an entry.
// Without registrations or instances the answer is empty. With Ends::kOwn peer_processes and shared_with are. Errors:
// as process_error (memory.h).
Result<Pollers> read_interest_sets(pid_t pid, Ends ends);

// Looks a second time at the sockets among the entries that `which` chooses: those that are still registered as they
// were, with their events and queues of now. Other members are left as they are in a new InterestEntry; sets without
// such an entry are missing in the answer, as are those of a process that has ended.
std::vector<InterestSet> read_queues_again(std::span<const InterestSet> sets,
                                           const std::function<bool(const InterestEntry&)>& which);

}  // namespace netpoll::probes
