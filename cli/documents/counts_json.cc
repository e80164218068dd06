// Counts as JSON, their sums and differences.
#include "cli/documents/counts_json.h"

#include <sys/syscall.h>

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
  for (const auto& [number, calls] : errors) json[exporters::errno_name(number)] = calls;
  return json;
}

// Bucket i counts calls of 2^i to 2^(i+1)-1 ns; trailing zeros are left out.
Json histogram_json(const SyscallCounts& counts) {
  if (!counts.latency) return nullptr;
  std::size_t used = counts.latency->size();
  while (used > 0 && (*counts.latency)[used - 1] == 0) --used;
  Json json = Json::array();
  for (std::size_t i = 0; i < used; ++i) json.push_back((*counts.latency)[i]);
  return json;
}

void put_wait(Json& json, const Counts::Wait& wait) {
  json["events"] = wait.events;
  json["empty"] = wait.empty;
  json["timeouts"] = wait.timeouts;
}

// What total_ns leaves out.
void put_times(Json& json, const SyscallCounts& row) {
  json["returned"] = row.returned;
  json["window_ns"] = exporters::or_null(row.window_ns);
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
  if (probes::is_epoll_wait(syscall)) put_wait(json, counts.waits[static_cast<std::size_t>(syscall)]);
  json["latency_log2_ns"] = histogram_json(row);
  put_times(json, row);
  return json;
}

// Unknown when one of them is.
std::optional<std::uint64_t> sum_of(const std::optional<std::uint64_t>& a, const std::optional<std::uint64_t>& b) {
  return a && b ? std::optional(*a + *b) : std::nullopt;
}

// The three wait calls as one: which of them a program uses is its own affair.
Json poll_json(const Counts& counts, std::optional<std::uint64_t> operations) {
  SyscallCounts sum;
  sum.total_ns = sum.window_ns = 0;
  Counts::Wait wait;
  for (std::size_t i = 0; i < counts.waits.size(); ++i) {
    const SyscallCounts& row = counts.syscalls[i];
    sum.count += row.count;
    sum.returned += row.returned;
    for (const auto& [number, calls] : row.errors) sum.errors[number] += calls;
    if (row.count > 0 || row.in_flight.count > 0) {
      sum.total_ns = sum_of(sum.total_ns, row.total_ns);
      sum.window_ns = sum_of(sum.window_ns, row.window_ns);
    }
    add_in_flight(sum.in_flight, row.in_flight);
    wait.events += counts.waits[i].events;
    wait.empty += counts.waits[i].empty;
    wait.timeouts += counts.waits[i].timeouts;
  }
  Json json;
  json["count"] = sum.count;
  json["per_op"] = exporters::ratio(sum.count, operations);
  json["errors"] = errors_json(sum.errors);
  json["total_ns"] = exporters::or_null(sum.total_ns);
  put_wait(json, wait);
  json["events_per_call"] = exporters::ratio(wait.events, sum.count);
  put_times(json, sum);
  return json;
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
                const EventFilter& filter) {
  Json syscalls = nullptr;
  Json poll = nullptr;
  if (sees_syscalls(backend)) {
    syscalls = Json::object();
    bool waits = false;
    for (std::size_t i = 0; i < probes::kSyscallCount; ++i) {
      const auto syscall = static_cast<Syscall>(i);
      if (!filter.shows(syscall)) continue;
      waits = waits || probes::is_epoll_wait(syscall);
      Json& row = syscalls[std::string(probes::syscall_name(syscall))];
      row = exists_here(syscall) ? syscall_json(counts, syscall, operations) : Json(nullptr);
    }
    if (waits) poll = poll_json(counts, operations);
  }
  document["syscalls"] = std::move(syscalls);
  document["poll"] = std::move(poll);

  Json tracepoints = Json::object();
  for (std::size_t i = 0; i < trace::kTpCount; ++i) {
    if (!filter.shows(static_cast<trace::Tp>(i))) continue;
    Json& row = tracepoints[std::string(trace::tracepoints()[i].name)];
    const auto& count = counts.tracepoints[i];
    if (count) row = {{"count", *count}, {"per_op", exporters::ratio(*count, operations)}};
  }
  document["tracepoints"] = std::move(tracepoints);
}

void put_losses(ProbeInfo& probe, const Counts& counts) {
  probe.lost = counts.lost;
  if (counts.foreign == 0) return;
  probe.notes.push_back("not counted: " + exporters::grouped(counts.foreign) +
                        (counts.foreign == 1 ? " call" : " calls") +
                        " of the 32-bit interface (a 32-bit program, or int $0x80), whose numbers mean other calls");
}

}  // namespace netpoll::cli
