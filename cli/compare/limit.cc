// What a limit says of two numbers.
#include "cli/compare/limit.h"

#include <algorithm>

namespace netpoll::cli {

bool Limit::holds(double base, double head) const {
  return std::all_of(all.begin(), all.end(), [&](const Condition& c) { return c.holds(base, head); });
}

bool Limit::is_about_change() const {
  return std::any_of(all.begin(), all.end(),
                     [](const Condition& c) { return c.against != Condition::Against::kValue; });
}

Limit limit_of(Condition condition) {
  Limit limit{condition.text, condition.path, {}, std::nullopt};
  limit.all.push_back(std::move(condition));
  return limit;
}

}  // namespace netpoll::cli
