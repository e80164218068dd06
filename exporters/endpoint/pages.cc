// Takes snapshots and formats them.
#include "exporters/endpoint/pages.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <climits>
#include <fstream>
#include <utility>

#include "exporters/formats.h"
#include "exporters/goroutines/names.h"
#include "exporters/goroutines/pprof.h"
#include "exporters/snapshot_document.h"
#include "netpoll/trace/event.h"
#include "netpoll/wait_reason.h"

namespace netpoll::debug {
namespace {

using exporters::Json;

std::string own_name() {
  std::string name;
  std::getline(std::ifstream("/proc/self/comm"), name);
  return name;
}

std::string own_executable() {
  std::array<char, PATH_MAX> text;
  const ssize_t size = readlink("/proc/self/exe", text.data(), text.size());
  return size < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(size));
}

// The head of the document snapshot/v1 (cli/schemas/snapshot.json).
Json head_of(const trace::GoroutineSnapshot& snapshot, std::chrono::system_clock::time_point taken_at) {
  utsname host{};
  uname(&host);
  Json head;
  head["schema"] = "netpoll-trace/snapshot/v1";
  head["tool"] = {{"name", "netpoll-trace"}, {"version", NETPOLL_VERSION}};
  head["host"] = {{"kernel", host.release}, {"arch", host.machine}, {"cpus", sysconf(_SC_NPROCESSORS_ONLN)}};
  head["started_at"] = exporters::timestamp(taken_at);
  head["target"] = {{"pid", getpid()},
                    {"comm", exporters::text_or_null(own_name())},
                    {"exe", exporters::text_or_null(own_executable())},
                    {"kind", snapshot.language},
                    {"runtime_version", snapshot.runtime_version}};
  head["probe"] = {{"backend", "self"},
                   {"lost", snapshot.inconsistent},
                   {"overhead_note", "the program looked at itself while it ran"},
                   {"notes", Json::array()},
                   {"passed_over", Json::array()}};
  head["core"] = nullptr;
  head["dump"] = nullptr;
  head["view"] = "list";
  head["matching"] = snapshot.goroutines.size();
  for (const char* absent : {"group_by", "groups", "summary", "diff"}) head[absent] = nullptr;
  return head;
}

}  // namespace

std::string formatted_snapshot(const Runtime& runtime, std::string_view format, bool all) {
  exporters::SnapshotDocument document;
  document.taken_at = std::chrono::system_clock::now();
  document.snapshot = runtime.snapshot();
  document.head = head_of(document.snapshot, document.taken_at);
  for (std::uint32_t i = 0; i < document.snapshot.goroutines.size(); ++i) document.shown.push_back(i);
  std::string text;
  auto out = exporters::Destination::to_memory(text);
  // Writing to memory does not fail.
  (void)exporters::find_format(format)->make(out, {.everything = all})->snapshot(document);
  return text;
}

std::string formatted_difference(const Runtime& runtime, const trace::GoroutineSnapshot& earlier, bool all) {
  const exporters::PprofOptions options{
      .program = own_executable(), .taken_at = std::chrono::system_clock::now(), .everything = all};
  const trace::GoroutineSnapshot now = runtime.snapshot();
  const std::chrono::nanoseconds between(now.taken_at_ns - earlier.taken_at_ns);
  return exporters::gzipped(exporters::pprof_difference(earlier, now, between, options));
}

std::string index_page(const Runtime& runtime) {
  return "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>/debug/pprof/</title></head><body>\n"
         "<h1>/debug/pprof/</h1>\n<table>\n<tr><td>" +
         std::to_string(runtime.goroutine_counts().total()) +
         "</td><td><a href=\"/debug/pprof/goroutine?debug=1\">goroutine</a></td></tr>\n</table>\n"
         "<p><a href=\"/debug/pprof/goroutine?debug=2\">full goroutine stack dump</a></p>\n"
         "<p><a href=\"/debug/netpoll\">/debug/netpoll</a>, <a href=\"/metrics\">/metrics</a></p>\n</body></html>\n";
}

exporters::MetricFamilies metrics_of(const Runtime& runtime) {
  using exporters::MetricFamily;
  using exporters::MetricType;
  using exporters::MetricUnit;
  MetricFamily goroutines{"netpoll_goroutines", MetricType::kGauge, MetricUnit::kNone, "Goroutines by status.", {}};
  const GoroutineCounts now = runtime.goroutine_counts();
  // Zeros too, so that rates work from the start.
  for (const auto& [status, count] :
       {std::pair{GStatus::kRunnable, now.runnable}, std::pair{GStatus::kRunning, now.running},
        std::pair{GStatus::kSyscall, now.syscall}, std::pair{GStatus::kWaiting, now.waiting}}) {
    goroutines.add({{"status", std::string(g_status_name(status))}}, count);
  }
  MetricFamily events{"netpoll_events", MetricType::kCounter, MetricUnit::kNone, "Tracepoints passed.", {}};
  const auto counts = runtime.tracepoint_counts();
  for (std::size_t row = 0; row < trace::kTpCount; ++row) {
    events.add({{"event", std::string(trace::tracepoints()[row].name)}}, counts[row]);
  }
  MetricFamily procs{
      "netpoll_procs", MetricType::kGauge, MetricUnit::kNone, "Ps: goroutines that can run at once.", {}};
  procs.add({}, static_cast<std::uint64_t>(runtime.config().procs));
  return {exporters::build_family(NETPOLL_VERSION), std::move(goroutines), std::move(events), std::move(procs)};
}

}  // namespace netpoll::debug
