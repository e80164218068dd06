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
  head["tool"] = {{"name", "libruntime"}, {"version", snapshot.runtime_version}};
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
         "</td><td><a href=\"goroutine?debug=1\">goroutine</a></td></tr>\n</table>\n"
         "<p><a href=\"goroutine?debug=2\">full goroutine stack dump</a></p>\n"
         "<p><a href=\"/debug/netpoll\">/debug/netpoll</a>, <a href=\"/metrics\">/metrics</a></p>\n</body></html>\n";
}

std::string metrics_page(const Runtime& runtime) {
  std::string text;
  const auto family = [&text](std::string_view name, std::string_view type, std::string_view help) {
    text.append("# HELP ").append(name).append(" ").append(help).append("\n");
    text.append("# TYPE ").append(name).append(" ").append(type).append("\n");
  };
  family("netpoll_goroutines", "gauge", "Goroutines by status.");
  const GoroutineCounts goroutines = runtime.goroutine_counts();
  // Zeros too, so that rates work from the start.
  for (const auto& [status, count] :
       {std::pair{GStatus::kRunnable, goroutines.runnable}, std::pair{GStatus::kRunning, goroutines.running},
        std::pair{GStatus::kSyscall, goroutines.syscall}, std::pair{GStatus::kWaiting, goroutines.waiting}}) {
    text.append("netpoll_goroutines{status=\"").append(g_status_name(status));
    text.append("\"} ").append(std::to_string(count)) += '\n';
  }
  family("netpoll_events_total", "counter", "Tracepoints passed.");
  const auto counts = runtime.tracepoint_counts();
  for (std::size_t row = 0; row < trace::kTpCount; ++row) {
    text.append("netpoll_events_total{event=\"").append(trace::tracepoints()[row].name).append("\"} ");
    text.append(std::to_string(counts[row])) += '\n';
  }
  family("netpoll_procs", "gauge", "Ps: goroutines that can run at once.");
  text.append("netpoll_procs ").append(std::to_string(runtime.config().procs)) += '\n';
  family("netpoll_build_info", "gauge", "The version of libruntime.");
  text.append("netpoll_build_info{version=\"" NETPOLL_VERSION "\"} 1\n");
  return text;
}

}  // namespace netpoll::debug
