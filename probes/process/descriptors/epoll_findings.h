// Findings: what is wrong, or soon will be, with the registrations of an epoll instance.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "probes/process/descriptors/interest_sets.h"

namespace netpoll::probes {

struct FindingRule {
  std::string_view id;       // "closed-fd"; stable
  std::string_view level;    // "error": it does harm; "warning": it may
  std::string_view meaning;  // one sentence
  std::string_view fix;      // what to do about it
};

struct Finding {
  const FindingRule* rule = nullptr;
  pid_t pid = -1;
  int epfd = -1;
  int fd = -1;
  std::string evidence;  // what was seen, in one sentence
};

// Looks at all sets of one or several processes together, since some faults only show in two. `later` is what
// read_queues_again() found some time after, for what has to be seen twice; empty: one look.
std::vector<Finding> find_faults(std::span<const InterestSet> sets, std::span<const InterestSet> later);

// Whether a second look at an entry would tell more: it is armed and has bytes to be read.
bool wants_second_look(const InterestEntry& entry);

// "IN", "OUT", "ET", ... in the order of <sys/epoll.h>; what has no name comes as "0x…".
std::vector<std::string> epoll_event_names(std::uint32_t events);

}  // namespace netpoll::probes
