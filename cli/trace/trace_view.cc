// Filters events, drops what a slow reader leaves no room for, and looks for the one to stop at.
#include "cli/trace/trace_view.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace netpoll::cli {
namespace {

// What a slow reader of our output may leave unread before events are dropped: as many events as the back ends hold.
constexpr std::size_t kBacklog = std::size_t{64} << 20;

// Whether an event is the one that --until waits for. Fields that the event does not have hold nothing.
bool holds(const Condition& until, const trace::Record& record) {
  const auto value = [&]() -> std::optional<double> {
    const auto number = [](const auto& of) { return of ? std::optional(static_cast<double>(*of)) : std::nullopt; };
    if (until.path == "duration_ns") return number(record.duration_ns);
    if (until.path == "network_wait_ns") return number(record.network_wait_ns);
    if (until.path == "cpu_wait_ns") return number(record.cpu_wait_ns);
    return number(record.result);
  }();
  return value && until.holds(0, *value);
}

}  // namespace

Result<std::optional<Condition>> parse_until(const std::string& text) {
  if (text.empty()) return std::optional<Condition>();
  const char* const hint = "duration_ns, network_wait_ns, cpu_wait_ns or result, as in 'cpu_wait_ns > 10ms'";
  auto condition = parse_condition(text, "--until");
  if (!condition) return std::move(condition).error().with_hint(hint);
  constexpr std::array<std::string_view, 4> kPaths = {"duration_ns", "network_wait_ns", "cpu_wait_ns", "result"};
  const bool known = std::find(kPaths.begin(), kPaths.end(), condition->path) != kPaths.end();
  if (!known || condition->against != Condition::Against::kValue) {
    return Error(ErrorKind::kInvalid, "--until " + text + " is nothing that an event has").with_hint(hint);
  }
  return std::optional(std::move(*condition));
}

void TraceView::event(const trace::Record& record) {
  last_ns_ = record.time_ns;
  if (failed_ || found_) return;
  if (summary_ != nullptr) summary_->follow(record);
  if (!filter_.shows(record)) return;
  found_ = until_ && holds(*until_, record);
  if (recorder_ != nullptr) return recorder_->add(record);
  if (summary_ != nullptr) return summary_->add(record);
  if (dropped_ != 0 ? out_.backlog() > kBacklog / 2 : out_.backlog() > kBacklog) {
    ++dropped_;
    return;
  }
  say_what_was_dropped();
  ++shown_;
  keep(out_.exporter().event(record));
}

void TraceView::lost(const trace::Loss& loss) {
  if (recorder_ != nullptr) return recorder_->add(loss);
  if (summary_ != nullptr) return;  // the totals have it
  say_what_was_dropped();
  keep(out_.exporter().lost(loss));
}

void TraceView::flush() {
  if (!streams()) return;
  keep(out_.exporter().flush());
  keep(out_.push());
}

void TraceView::say_what_was_dropped() {
  if (dropped_ == 0) return;
  dropped_in_all_ += dropped_;
  keep(out_.exporter().lost({.time_ns = last_ns_, .count = dropped_, .cpu = -1, .where = "output"}));
  dropped_ = 0;
}

std::uint64_t TraceView::shown() const {
  if (recorder_ != nullptr) return recorder_->events();
  return summary_ != nullptr ? summary_->events() : shown_;
}

}  // namespace netpoll::cli
