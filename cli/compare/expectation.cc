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

Result<bool> are_met(const std::vector<Condition>& conditions, const exporters::Json& document, const std::string& kind,
                     Log& log) {
  if (conditions.empty()) return true;
  const ResultSet set{"the result", kind, {document}};
  const auto all = figures(set);
  bool met = true;
  for (const Condition& condition : conditions) {
    const auto figure = figure_at(all, condition.path, set.name);
    if (!figure) return figure.error();
    if (figure->value && condition.holds(0, *figure->value)) continue;
    met = false;
    log.error("not met: " + condition.text + " (it is " +
              (figure->value ? number_json(*figure->value).dump() : std::string("unknown")) + ")");
  }
  return met;
}

}  // namespace netpoll::cli
