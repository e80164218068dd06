// Parses and applies the filters of `trace`.
#include "cli/trace/record_filter.h"

#include <algorithm>
#include <cerrno>

#include "cli/units.h"

namespace netpoll::cli {

void add_filter_options(Flags& flags, FilterOptions& options) {
  add_event_option(flags, options.events);
  const char* group = "Filters";
  flags.list("--fd", options.fds, /*separate=*/true, {group, "N", "Only what is about these descriptors"});
  flags.text("--peer", options.peer, {group, "TEXT", "Only connections whose other side contains TEXT"});
  flags.text("--min-latency", options.min_latency,
             {group, "TIME", "Only calls that do not wait for events, and waits for network or CPU, of TIME or more"});
  flags.on_off("--errors", options.errors, {group, "", "Only calls that failed; EAGAIN is no failure"});
  flags.text("--sample", options.sample, {group, "N", "Every Nth of the events that would be shown"});
}

Result<RecordFilter> RecordFilter::parse(const FilterOptions& options) {
  RecordFilter filter;
  auto events = parse_events(options.events);
  if (!events) return std::move(events).error();
  filter.events_ = *events;
  for (const std::string& text : options.fds) {
    const auto fd = parse_integer(text, "--fd", 0, INT32_MAX);
    if (!fd) return fd.error();
    filter.fds_.push_back(static_cast<int>(*fd));
  }
  filter.peer_ = options.peer;
  const auto latency = optional_duration(options.min_latency, "--min-latency");
  if (!latency) return latency.error();
  if (*latency) filter.min_latency_ns_ = static_cast<std::uint64_t>((*latency)->count());
  filter.errors_ = options.errors;
  if (!options.sample.empty()) {
    const auto sample = parse_integer(options.sample, "--sample", 1, 1'000'000'000);
    if (!sample) return sample.error();
    filter.sample_ = static_cast<std::uint64_t>(*sample);
  }
  return filter;
}

void RecordFilter::select(probes::StreamOptions& stream) const {
  for (std::size_t row = 0; row < probes::kStreamCallCount; ++row) {
    stream.calls.at(row) =
        row < probes::kSyscallCount ? events_.shows(static_cast<probes::Syscall>(row)) : events_.everything;
  }
  stream.tracepoints = false;
  for (std::size_t tp = 0; tp < trace::kTpCount; ++tp) {
    stream.tracepoints = stream.tracepoints || events_.shows(static_cast<trace::Tp>(tp));
  }
  stream.uring = events_.everything || events_.uring.any();
}

bool RecordFilter::shows(const trace::Record& record) {
  if (!matches(record)) return false;
  return matched_++ % sample_ == 0;
}

bool RecordFilter::matches(const trace::Record& record) const {
  switch (record.kind) {
    case trace::RecordKind::kCall: {
      const bool counted = record.row < probes::kSyscallCount;
      if (counted ? !events_.shows(static_cast<probes::Syscall>(record.row)) : !events_.everything) return false;
      break;
    }
    case trace::RecordKind::kTracepoint:
      if (!events_.shows(static_cast<trace::Tp>(record.row))) return false;
      break;
    case trace::RecordKind::kUring:
      if (!events_.shows_uring(record.row)) return false;
      break;
    case trace::RecordKind::kProcess:
      break;
  }
  if (!fds_.empty()) {
    const auto wanted = [&](int fd) { return std::find(fds_.begin(), fds_.end(), fd) != fds_.end(); };
    const bool reported =
        std::any_of(record.ready.begin(), record.ready.end(), [&](const auto& r) { return wanted(r.fd); });
    if (!wanted(record.fd) && !reported) return false;
  }
  if (!peer_.empty() && (!record.endpoint || record.endpoint->peer.find(peer_) == std::string::npos)) return false;
  if (errors_ && (!record.result || *record.result >= 0 || *record.result == -EAGAIN)) return false;
  if (min_latency_ns_) {
    const auto slow = [&](const std::optional<std::uint64_t>& ns) { return ns && *ns >= *min_latency_ns_; };
    const bool waits = record.kind == trace::RecordKind::kCall &&
                       probes::stream_calls().at(record.row).role == probes::CallRole::kWait;
    const bool slow_call = !waits && slow(record.least_ns());
    if (!slow_call && !slow(record.network_wait_ns) && !slow(record.cpu_wait_ns)) return false;
  }
  return true;
}

}  // namespace netpoll::cli
