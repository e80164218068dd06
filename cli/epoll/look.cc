// One look or two, and the findings.
#include "cli/epoll/look.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <thread>
#include <utility>

namespace netpoll::cli {
namespace {

// Between two looks at an entry that has bytes to be read: longer than any loop may take to come round.
constexpr std::chrono::milliseconds kBetweenLooks{200};

Result<probes::Pollers> look(const std::vector<pid_t>& pids) {
  probes::Pollers all;
  for (const pid_t pid : pids) {
    auto pollers = probes::read_interest_sets(pid, probes::Ends::kBoth);
    if (!pollers) return std::move(pollers).error();
    std::move(pollers->sets.begin(), pollers->sets.end(), std::back_inserter(all.sets));
    all.rings.insert(all.rings.end(), pollers->rings.begin(), pollers->rings.end());
  }
  return all;
}

}  // namespace

Result<EpollView> look_at_interest_sets(const std::vector<pid_t>& pids) {
  EpollView view;
  view.taken_at = std::chrono::system_clock::now();
  const auto begin = std::chrono::steady_clock::now();
  for (const pid_t pid : pids) {
    auto target = probes::describe_target(pid);
    if (!target) return std::move(target).error();
    view.targets.push_back(std::move(*target));
  }
  auto pollers = look(pids);
  if (!pollers) return std::move(pollers).error();
  view.sets = std::move(pollers->sets);
  view.rings = std::move(pollers->rings);
  const auto worth = [](const probes::InterestSet& set) {
    return std::any_of(set.entries.begin(), set.entries.end(), probes::wants_second_look);
  };
  std::vector<probes::InterestSet> later;
  if (std::any_of(view.sets.begin(), view.sets.end(), worth)) {
    std::this_thread::sleep_for(kBetweenLooks);
    later = probes::read_queues_again(view.sets, probes::wants_second_look);
    view.looks = 2;
  }
  view.findings = probes::find_faults(view.sets, later);
  view.took = std::chrono::steady_clock::now() - begin;
  return view;
}

}  // namespace netpoll::cli
