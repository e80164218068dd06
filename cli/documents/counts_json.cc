// Counts as JSON, their sums and differences.
#include "cli/documents/counts_json.h"

#include <sys/syscall.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <initializer_list>
#include <utility>
#include <vector>

#include "exporters/json.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using probes::Counts;
using probes::Syscall;
using probes::SyscallCounts;

// What the newer architectures left out of their system call tables.
bool exists_here(Syscall syscall) {
  switch (syscall) {
#ifndef SYS_epoll_wait
    case Syscall::epoll_wait:
      return false;
#endif
#ifndef SYS_poll
    case Syscall::poll:
      return false;
#endif
#ifndef SYS_select
    case Syscall::select:
      return false;
#endif
#ifndef SYS_epoll_create
    case Syscall::epoll_create:
      return false;
#endif
    default:
      return true;
  }
}

Json errors_json(const std::map<int, std::uint64_t>& errors) {
  Json json = Json::object();
  for (const auto& [number, calls] : errors) {
    json[number == probes::kOtherErrors ? "other" : exporters::errno_name(number)] = calls;
  }
  return json;
}

// Trailing zeros are left out.
template <std::size_t N>
Json histogram_json(const std::array<std::uint64_t, N>& buckets) {
  std::size_t used = N;
  while (used > 0 && buckets[used - 1] == 0) --used;
  return Json(std::vector<std::uint64_t>(buckets.begin(), buckets.begin() + static_cast<std::ptrdiff_t>(used)));
}

// Element i counts calls of 2^i to 2^(i+1)-1 ns.
Json octaves_json(const probes::LatencyHistogram& latency) {
  std::array<std::uint64_t, 64> octaves{};
  for (std::size_t i = 0; i < latency.size(); ++i) {
    const std::uint64_t ns = probes::bucket_floor_ns(i);
    octaves[ns == 0 ? 0 : static_cast<std::size_t>(std::bit_width(ns)) - 1] += latency[i];
  }
  return histogram_json(octaves);
}

Json quantiles_json(const std::optional<probes::LatencyHistogram>& latency) {
  if (!latency || !probes::quantile_ns(*latency, 1)) return nullptr;
  const auto quantile = [&](double q) { return exporters::or_null(probes::quantile_ns(*latency, q)); };
  return {{"p50", quantile(0.5)}, {"p90", quantile(0.9)}, {"p99", quantile(0.99)}, {"p999", quantile(0.999)}};
}

Json blocked_json(const std::optional<probes::Blocked>& blocked) {
  if (!blocked) return nullptr;
  return {{"count", blocked->count}, {"total_ns", blocked->ns}};
}

void put_wait(Json& json, const Counts::Wait& wait) {
  json["events"] = wait.events;
  json["empty"] = wait.empty;
  json["timeouts"] = wait.timeouts;
}

void put_wait_shape(Json& json, const Counts::Wait& wait) {
  json["asked"] = {{"zero", wait.asked_zero}, {"timed", wait.asked_timed}, {"forever", wait.asked_forever}};
  json["events_log2"] = histogram_json(wait.per_return);
}

// What total_ns leaves out.
void put_times(Json& json, const SyscallCounts& row) {
  json["returned"] = row.returned;
  json["window_ns"] = exporters::or_null(row.window_ns);
  json["latency_ns"] = quantiles_json(row.latency);
  json["blocked"] = blocked_json(row.blocked);
  json["in_flight"] = {{"count", row.in_flight.count},
                       {"before", row.in_flight.before},
                       {"longest_ns", row.window_ns ? Json(row.in_flight.longest_ns) : Json(nullptr)}};
}

Json syscall_json(const Counts& counts, Syscall syscall, std::optional<std::uint64_t> operations) {
  const SyscallCounts& row = counts.syscalls[static_cast<std::size_t>(syscall)];
  Json json;
  json["count"] = row.count;
  json["per_op"] = exporters::ratio(row.count, operations);
  json["errors"] = errors_json(row.errors);
  json["total_ns"] = exporters::or_null(row.total_ns);
  if (syscall == Syscall::epoll_ctl) {
    json["ops"] = {{"add", counts.ctl_add}, {"mod", counts.ctl_mod}, {"del", counts.ctl_del}};
  }
  const bool waits = probes::waits_for_events(syscall);
  if (waits) put_wait(json, counts.waits[static_cast<std::size_t>(syscall)]);
  json["latency_log2_ns"] = row.latency ? octaves_json(*row.latency) : Json(nullptr);
  put_times(json, row);
  if (waits) put_wait_shape(json, counts.waits[static_cast<std::size_t>(syscall)]);
  if (probes::moves_bytes(syscall)) json["bytes"] = row.bytes;
  if (probes::syscall_class(syscall) == "io") {
    const auto again = row.errors.find(EAGAIN);
    json["eagain_share"] = exporters::ratio(again == row.errors.end() ? 0 : again->second, row.returned);
  }
  return json;
}

// Unknown when one of them is.
std::optional<std::uint64_t> sum_of(const std::optional<std::uint64_t>& a, const std::optional<std::uint64_t>& b) {
  return a && b ? std::optional(*a + *b) : std::nullopt;
}

void add_histogram(std::optional<probes::LatencyHistogram>& sum, const std::optional<probes::LatencyHistogram>& more) {
  if (!more) sum.reset();
  for (std::size_t i = 0; sum && i < sum->size(); ++i) (*sum)[i] += (*more)[i];
}

void add_blocked(std::optional<probes::Blocked>& sum, const std::optional<probes::Blocked>& more) {
  if (!more) sum.reset();
  if (!sum) return;
  sum->count += more->count;
  sum->ns += more->ns;
}

// The three wait calls as one: which of them a program uses is its own affair.
Json poll_json(const Counts& counts, std::optional<std::uint64_t> operations,
               std::optional<std::chrono::nanoseconds> window) {
  SyscallCounts sum;
  sum.total_ns = sum.window_ns = 0;
  sum.latency.emplace();
  sum.blocked.emplace();
  Counts::Wait wait;
  for (std::size_t i = 0; i < counts.waits.size(); ++i) {
    if (!probes::is_epoll_wait(static_cast<Syscall>(i))) continue;
    const SyscallCounts& row = counts.syscalls[i];
    sum.count += row.count;
    sum.returned += row.returned;
    for (const auto& [number, calls] : row.errors) sum.errors[number] += calls;
    if (row.count > 0 || row.in_flight.count > 0) {
      sum.total_ns = sum_of(sum.total_ns, row.total_ns);
      sum.window_ns = sum_of(sum.window_ns, row.window_ns);
      add_histogram(sum.latency, row.latency);
      add_blocked(sum.blocked, row.blocked);
    }
    add_in_flight(sum.in_flight, row.in_flight);
    add_wait(wait, counts.waits[i]);
  }
  Json json;
  json["count"] = sum.count;
  json["per_op"] = exporters::ratio(sum.count, operations);
  json["errors"] = errors_json(sum.errors);
  json["total_ns"] = exporters::or_null(sum.total_ns);
  put_wait(json, wait);
  json["events_per_call"] = exporters::ratio(wait.events, sum.count);
  put_times(json, sum);
  put_wait_shape(json, wait);
  const bool rate = sum.blocked && window && window->count() > 0;
  json["wakeups_per_s"] =
      rate ? exporters::ratio(sum.blocked->count * 1'000'000'000, static_cast<std::uint64_t>(window->count()))
           : Json(nullptr);
  return json;
}

// The operations that were submitted, of those that are to be shown, by name.
Json uring_json(const Counts& counts, const EventFilter& filter) {
  if (!counts.uring_ops || !(filter.everything || filter.uring.any())) return nullptr;
  Json json = {{"submitted", 0}, {"ops", Json::object()}};
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < counts.uring_ops->size(); ++i) {
    if (!filter.shows_uring(i)) continue;
    const std::uint64_t operations = (*counts.uring_ops)[i];
    if (operations != 0) json["ops"][probes::uring_op_name(i)] = operations;
    sum += operations;
  }
  json["submitted"] = sum;
  return json;
}

// The calls that were made, by name.
Json socket_calls_json(const Counts& counts) {
  if (!counts.socket_calls) return nullptr;
  Json json = Json::object();
  for (std::size_t i = 0; i < counts.socket_calls->size(); ++i) {
    const std::uint64_t calls = (*counts.socket_calls)[i];
    if (calls != 0) json[std::string(probes::syscall_name(static_cast<probes::SocketCall>(i)))] = calls;
  }
  return json;
}

// The calls in `names` that returned, and those of them that did not fail.
std::pair<std::uint64_t, std::uint64_t> returned_and_done(const Counts& counts, std::initializer_list<Syscall> names) {
  std::uint64_t returned = 0, failed = 0;
  for (const Syscall name : names) {
    const SyscallCounts& row = counts.syscalls[static_cast<std::size_t>(name)];
    returned += row.returned;
    for (const auto& [number, calls] : row.errors) failed += calls;
  }
  return {returned, returned - std::min(returned, failed)};
}

// What the counts say about how the poller is used. A ratio to nothing is null.
Json derived_json(const Counts& counts) {
  Counts::Wait wait;
  for (std::size_t i = 0; i < counts.waits.size(); ++i) {
    if (probes::is_epoll_wait(static_cast<Syscall>(i))) add_wait(wait, counts.waits[i]);
  }
  const auto some = [](std::uint64_t whole) { return whole == 0 ? std::nullopt : std::optional(whole); };
  std::uint64_t wakeups = 0;
  for (std::size_t i = 1; i < wait.per_return.size(); ++i) wakeups += wait.per_return[i];
  const auto [accepts, connections] = returned_and_done(counts, {Syscall::accept, Syscall::accept4});
  Json json;
  json["rearms_per_event"] = exporters::ratio(counts.ctl_mod, some(wait.events));
  json["zero_polls_per_event"] = exporters::ratio(wait.asked_zero, some(wait.events));
  json["spurious_wakeup_share"] =
      counts.spurious_wakeups ? exporters::ratio(*counts.spurious_wakeups, some(wakeups)) : Json(nullptr);
  json["accepts_per_connection"] = exporters::ratio(accepts, some(connections));
  return json;
}

// Everything but the number of calls, and what else the back end says that it saw.
void hide_unknown(Json& row, const SyscallCounts& counts, bool returns_known) {
  if (!row.is_object()) return;
  if (!counts.errors_known) row["errors"] = nullptr;
  if (returns_known) return;
  for (const auto& [name, value] : row.items()) {
    if (name != "count" && name != "per_op" && name != "errors" && name != "ops" && name != "empty") value = nullptr;
  }
}

}  // namespace

bool sees_syscalls(probes::Backend backend) {
  switch (backend) {
    case probes::Backend::kEbpf:
    case probes::Backend::kPerf:
    case probes::Backend::kPtrace:
      return true;
    case probes::Backend::kAuto:
    case probes::Backend::kSelf:
    case probes::Backend::kNone:
      return false;
  }
  return false;
}

void put_counts(Json& document, const Counts& counts, probes::Backend backend, std::optional<std::uint64_t> operations,
                std::optional<std::chrono::nanoseconds> window, const EventFilter& filter) {
  Json syscalls = nullptr;
  Json poll = nullptr;
  if (sees_syscalls(backend)) {
    syscalls = Json::object();
    bool waits = false, all_waits = true;
    for (std::size_t i = 0; i < probes::kSyscallCount; ++i) {
      const auto syscall = static_cast<Syscall>(i);
      if (!filter.shows(syscall)) continue;
      if (probes::is_epoll_wait(syscall) && exists_here(syscall)) {
        waits = true;
        all_waits = all_waits && counts.syscalls[i].counted;
      }
      Json& row = syscalls[std::string(probes::syscall_name(syscall))];
      row = exists_here(syscall) && counts.syscalls[i].counted ? syscall_json(counts, syscall, operations)
                                                               : Json(nullptr);
      hide_unknown(row, counts.syscalls[i], counts.returns_known);
    }
    if (waits && all_waits) {
      poll = poll_json(counts, operations, window);
      hide_unknown(poll, counts.syscalls[static_cast<std::size_t>(Syscall::epoll_wait)], counts.returns_known);
    }
  }
  document["syscalls"] = std::move(syscalls);
  document["poll"] = std::move(poll);
  document["derived"] = sees_syscalls(backend) && filter.everything ? derived_json(counts) : Json(nullptr);
  document["io_uring"] = uring_json(counts, filter);
  document["socket_calls"] = filter.everything ? socket_calls_json(counts) : Json(nullptr);

  Json tracepoints = Json::object();
  for (std::size_t i = 0; i < trace::kTpCount; ++i) {
    if (!filter.shows(static_cast<trace::Tp>(i))) continue;
    Json& row = tracepoints[std::string(trace::tracepoints()[i].name)];
    const auto& count = counts.tracepoints[i];
    if (count) row = {{"count", *count}, {"per_op", exporters::ratio(*count, operations)}};
  }
  document["tracepoints"] = std::move(tracepoints);
}

}  // namespace netpoll::cli
