// Conditions against one result.
#include "cli/compare/expectation.h"

#include <utility>

#include "cli/compare/figures.h"

namespace netpoll::cli {

Result<std::vector<Condition>> parse_expectations(const std::vector<std::string>& texts) {
  std::vector<Condition> conditions;
  for (const std::string& text : texts) {
    auto condition = parse_condition(text, "--expect");
    if (!condition) return condition.error();
    if (condition->against != Condition::Against::kValue) {
      return Error(ErrorKind::kInvalid,
                   "--expect '" + condition->text + "' is about a change, but there is only one run")
          .with_hint("give a plain limit ('syscalls.epoll_ctl.per_op <= 0.01'), or use compare --fail-on");
    }
    conditions.push_back(std::move(*condition));
  }
  return conditions;
}

Result<bool> are_met(const std::vector<Condition>& conditions, const exporters::Json& document, Log& log) {
  if (conditions.empty()) return true;
  const auto set = results_of({document}, "the result");
  if (!set) return set.error();
  bool met = true;
  for (const Condition& condition : conditions) {
    const Figure* present = set->find(condition.path);
    const auto figure = present != nullptr ? Result<Figure>(*present) : known_figure(*set, condition.path);
    if (!figure) return figure.error();
    const auto value = figure->value();
    if (value && condition.holds(0, *value)) continue;
    met = false;
    log.error("not met: " + condition.text + " (it is " +
              (value ? exporters::compact(number_json(*value)) : "unknown") + ")");
  }
  return met;
}

}  // namespace netpoll::cli
