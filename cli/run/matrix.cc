// Makes the plans of a matrix and runs them round by round.
#include "cli/run/matrix.h"

#include <algorithm>

#include "netpoll/config.h"

namespace netpoll::cli {
namespace {

using workload::Plan;
using workload::Request;

// The words of a list, or one that is absent for an empty list.
Result<std::vector<std::optional<std::string>>> words_of(const std::string& list, const std::string& flag) {
  std::vector<std::optional<std::string>> words;
  if (list.empty()) return std::vector<std::optional<std::string>>{std::nullopt};
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    std::string word = list.substr(begin, end - begin);
    if (word.empty() || std::find(words.begin(), words.end(), word) != words.end()) {
      return Error(ErrorKind::kInvalid, flag + " " + list + (word.empty() ? " has an empty name" : " repeats " + word))
          .with_hint("as in " + flag + " NAME,NAME");
    }
    words.push_back(std::move(word));
    begin = end + 1;
  }
  return words;
}

}  // namespace

std::string design_name(const Plan& plan) {
  return std::string(poll_mode_name(plan.runtime.poll_mode)) + "-" + std::string(trigger_name(plan.runtime.trigger)) +
         "-" + std::string(poller_name(plan.runtime.poller));
}

Result<std::vector<Plan>> plans_of(const Request& request, const Designs& designs) {
  const auto poll_modes = words_of(designs.poll_modes, "--poll-mode");
  if (!poll_modes) return poll_modes.error();
  const auto triggers = words_of(designs.triggers, "--trigger");
  if (!triggers) return triggers.error();
  const auto pollers = words_of(designs.pollers, "--poller");
  if (!pollers) return pollers.error();

  std::vector<Plan> plans;
  Request each = request;
  for (const auto& poll_mode : *poll_modes) {
    for (const auto& trigger : *triggers) {
      for (const auto& poller : *pollers) {
        each.poll_mode = poll_mode;
        each.trigger = trigger;
        each.poller = poller;
        auto plan = workload::make_plan(each);
        if (!plan) return std::move(plan).error();
        plans.push_back(std::move(*plan));
      }
    }
  }
  return plans;
}

Result<std::vector<Cell>> run_rounds(const std::vector<Plan>& plans, std::uint64_t rounds, probes::Backend backend,
                                     const RunDocument& document, Interrupt& interrupt, Log& log) {
  std::vector<Cell> cells;
  for (const Plan& plan : plans) cells.push_back({plan, {}});
  for (std::uint64_t round = 0; round < rounds && !interrupt.requested(); ++round) {
    for (std::size_t turn = 0; turn < cells.size() && !interrupt.requested(); ++turn) {
      Cell& cell = cells[(turn + round) % cells.size()];
      log.detail("round " + std::to_string(round + 1) + " of " + std::to_string(rounds) + ": " +
                 design_name(cell.plan));
      const auto outcome = run_plan(cell.plan, backend, interrupt, log);
      log.clear_progress();
      if (!outcome) return outcome.error();
      // A run that was cut short is no sample beside whole ones; if it is all there is, it is the result.
      const bool only = plans.size() == 1 && cell.samples.empty();
      if (!outcome->interrupted || only) cell.samples.push_back(document(cell.plan, *outcome));
    }
  }
  std::erase_if(cells, [](const Cell& cell) { return cell.samples.empty(); });
  return cells;
}

}  // namespace netpoll::cli
