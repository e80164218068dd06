// Families of metrics: what the two texts look like, and what documents, snapshots and events become in them.
#include <string>

#include "exporters/json.h"
#include "exporters/metrics/families.h"
#include "tests/support/catch.h"

namespace netpoll::exporters {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST_CASE("counters, gauges and infos are named as each text wants it") {
  MetricFamilies families;
  families.push_back(build_family("0.1.0"));
  families.push_back(MetricFamily{"netpoll_syscalls", MetricType::kCounter, MetricUnit::kNone, "Calls.", {}}.add(
      {{"syscall", "read"}}, 7));
  families.push_back(MetricFamily{"process_cpu_seconds", MetricType::kCounter, MetricUnit::kSeconds, "Time.", {}}.add(
      {}, 1'250'000'000));
  const std::string old_text = prometheus_text(families);
  INFO(old_text);
  CHECK(has_line(old_text, "# TYPE netpoll_build_info gauge"));
  CHECK(has_line(old_text, "# TYPE netpoll_syscalls_total counter"));
  CHECK(has_line(old_text, "netpoll_syscalls_total{syscall=\"read\"} 7"));
  CHECK(has_line(old_text, "process_cpu_seconds_total 1.25"));
  CHECK(old_text.find("# UNIT") == std::string::npos);
  CHECK(old_text.find("# EOF") == std::string::npos);
  const std::string new_text = openmetrics_text(families);
  INFO(new_text);
  CHECK(has_line(new_text, "# TYPE netpoll_build info"));
  CHECK(has_line(new_text, "netpoll_build_info{version=\"0.1.0\"} 1"));
  CHECK(has_line(new_text, "# TYPE netpoll_syscalls counter"));
  CHECK(has_line(new_text, "netpoll_syscalls_total{syscall=\"read\"} 7"));
  CHECK(has_line(new_text, "# UNIT process_cpu_seconds seconds"));
  CHECK(new_text.ends_with("\n# EOF\n"));
}

TEST_CASE("histograms are cumulative, end with +Inf, and times are exact in seconds") {
  const std::uint64_t bounds[] = {1'000, 2'500, 1'000'000'000};
  MetricHistogram histogram = MetricHistogram::of(bounds);
  histogram.exemplars.resize(4);
  histogram.observe(1'000);  // bounds are inclusive
  histogram.observe(1'001, 2);
  histogram.observe(3'000'000'001);
  histogram.exemplars[1] = Exemplar{{{"goid", "17"}}, 1'001};
  CHECK(histogram.count() == 4);
  MetricFamily family{"netpoll_cpu_wait_seconds", MetricType::kHistogram, MetricUnit::kSeconds, "Waits.", {}};
  family.samples.push_back({{}, 0, histogram});
  const std::string text = openmetrics_text({&family, 1});
  INFO(text);
  CHECK(has_line(text, "netpoll_cpu_wait_seconds_bucket{le=\"0.000001\"} 1"));
  CHECK(has_line(text, "netpoll_cpu_wait_seconds_bucket{le=\"0.0000025\"} 3 # {goid=\"17\"} 0.000001001"));
  CHECK(has_line(text, "netpoll_cpu_wait_seconds_bucket{le=\"1\"} 3"));
  CHECK(has_line(text, "netpoll_cpu_wait_seconds_bucket{le=\"+Inf\"} 4"));
  CHECK(has_line(text, "netpoll_cpu_wait_seconds_sum 3.000003003"));
  CHECK(has_line(text, "netpoll_cpu_wait_seconds_count 4"));
  CHECK(prometheus_text({&family, 1}).find(" # {") == std::string::npos);
}

TEST_CASE("a label's value is anybody's text") {
  MetricFamily family{"m", MetricType::kGauge, MetricUnit::kNone, "Help.", {}};
  family.add({{"comm", "a\"b\\c\nd\x1b\xff"}}, 1);
  CHECK(has_line(prometheus_text({&family, 1}), R"(m{comm="a\"b\\c\\nd\\x1b\\xff"} 1)"));
}

TEST_CASE("the text is the one that the client can read") {
  const MetricFamily family = build_family("1");
  CHECK(metrics_page({&family, 1}, "").type.starts_with("text/plain; version=0.0.4"));
  CHECK(metrics_page({&family, 1}, "*/*").type.starts_with("text/plain"));
  const auto page = metrics_page(
      {&family, 1}, "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75");
  CHECK(page.type.starts_with("application/openmetrics-text; version=1.0.0"));
  CHECK(page.text.ends_with("# EOF\n"));
}

TEST_CASE("a result's octaves become buckets that hold every call that returned, and unknown figures are absent") {
  const Json document = {{"syscalls",
                          {{"read",
                            {{"count", 5},
                             {"errors", Json::object()},
                             {"total_ns", 9000},
                             {"bytes", 12},
                             {"eagain_share", 0},
                             {"latency_log2_ns", Json(std::vector<int>{0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 1})}}},
                           {"write", {{"count", 1}, {"errors", nullptr}, {"total_ns", nullptr}}},
                           {"select", nullptr}}},
                         {"poll", {{"events", 6}, {"events_log2", Json(std::vector<int>{1, 2, 0, 1})}}},
                         {"tracepoints", {{"park", {{"count", 3}}}, {"ready", nullptr}}},
                         {"probe", {{"backend", "ebpf"}, {"lost", nullptr}}}};
  const std::string text = prometheus_text(result_families(document));
  INFO(text);
  CHECK(has_line(text, "netpoll_syscalls_total{syscall=\"write\"} 1"));
  CHECK(text.find("select") == std::string::npos);
  CHECK(has_line(text, "netpoll_syscall_errors_total{syscall=\"read\",errno=\"EAGAIN\"} 0"));
  CHECK(has_line(text, "netpoll_syscall_duration_seconds_bucket{syscall=\"read\",le=\"0.000001024\"} 2"));
  CHECK(has_line(text, "netpoll_syscall_duration_seconds_bucket{syscall=\"read\",le=\"0.000004096\"} 4"));
  CHECK(has_line(text, "netpoll_syscall_duration_seconds_count{syscall=\"read\"} 4"));
  CHECK(has_line(text, "netpoll_syscall_duration_seconds_sum{syscall=\"read\"} 0.000009"));
  CHECK(has_line(text, "netpoll_poll_batch_events_bucket{le=\"0\"} 1"));
  CHECK(has_line(text, "netpoll_poll_batch_events_bucket{le=\"3\"} 3"));
  CHECK(has_line(text, "netpoll_poll_batch_events_bucket{le=\"7\"} 4"));
  CHECK(has_line(text, "netpoll_poll_batch_events_sum 6"));
  CHECK(has_line(text, "netpoll_events_total{event=\"park\"} 3"));
  CHECK(text.find("ready") == std::string::npos);
  CHECK(text.find("netpoll_calls_lost") == std::string::npos);
  CHECK(result_families({{"schema", "netpoll-trace/doctor/v1"}}).empty());
}

TEST_CASE("goroutines of several processes are one sum") {
  trace::Goroutine reader;
  reader.status = "waiting";
  reader.wait_reason = "IO wait";
  reader.io_wait = true;
  reader.mode = trace::IoMode::kRead;
  reader.recv_queue_bytes = 10;
  reader.wait_ns = 2'000'000'000;
  trace::Goroutine writer = reader;
  writer.mode = trace::IoMode::kWrite;
  writer.deadline_in_ns = 5;
  writer.wait_ns.reset();
  writer.wait_at_least_ns = 3'500'000'000;
  trace::Goroutine runs;
  runs.status = "running";
  const std::vector<trace::GoroutineSnapshot> snapshots = [&] {
    std::vector<trace::GoroutineSnapshot> two(2);
    two[0].goroutines = {reader, runs};
    two[1].goroutines = {writer};
    return two;
  }();
  const std::string text = prometheus_text(snapshot_families(snapshots));
  INFO(text);
  CHECK(has_line(text, "netpoll_goroutines{status=\"waiting\"} 2"));
  CHECK(has_line(text, "netpoll_goroutines{status=\"runnable\"} 0"));
  CHECK(has_line(text, "netpoll_goroutines_waiting{reason=\"IO wait\"} 2"));
  CHECK(has_line(text, "netpoll_io_waits{mode=\"write\"} 1"));
  CHECK(has_line(text, "netpoll_io_waits_without_deadline 1"));
  CHECK(has_line(text, "netpoll_io_readers_with_queued_data 1"));
  CHECK(has_line(text, "netpoll_io_wait_oldest_seconds 3.5"));
  // Nobody waits: the oldest wait is unknown, not zero.
  CHECK(prometheus_text(snapshot_families({})).find("oldest") == std::string::npos);
}

TEST_CASE("a thousand reasons to wait are some rows") {
  trace::GoroutineSnapshot snapshot;
  for (int i = 0; i < 1000; ++i) {
    trace::Goroutine g;
    g.status = "waiting";
    g.wait_reason = "reason " + std::to_string(i);
    snapshot.goroutines.push_back(std::move(g));
  }
  for (const MetricFamily& family : snapshot_families({&snapshot, 1})) CHECK(family.samples.size() <= 65);
}

TEST_CASE("waits of a stream are histograms by mode whose exemplars say whose wait it was") {
  EventFamilies events;
  const auto goroutine = [](trace::Step step, std::uint64_t goid, int fd, std::int64_t mode) {
    trace::Record record;
    record.kind = trace::RecordKind::kTracepoint;
    record.name = step == trace::Step::kPark ? "park" : "run";
    record.step = step;
    record.pid = 41;
    record.goid = goid;
    record.fd = fd;
    if (step == trace::Step::kPark) record.add("mode", trace::ArgForm::kMode, mode);
    return record;
  };
  // G17 waits for room to write, G18 for a channel, and of G19 only the end is seen.
  events.event(goroutine(trace::Step::kPark, 17, 7, 1));
  events.event(goroutine(trace::Step::kPark, 18, -1, 0));
  trace::Record run = goroutine(trace::Step::kRun, 17, 7, 0);
  run.network_wait_ns = 8'000'000;
  run.cpu_wait_ns = 1'200;
  events.event(run);
  for (const std::uint64_t goid : {18, 19}) {
    run = goroutine(trace::Step::kRun, goid, -1, 0);
    run.cpu_wait_ns = 1'000;
    events.event(run);
  }
  for (const char* name : {"recvfrom", "sendto"}) {
    trace::Record call;
    call.name = name;
    call.step = trace::Step::kRun;
    call.fd = 9;
    call.pid = 42;
    call.network_wait_ns = 30'000'000'000;
    events.event(call);
  }
  events.lost({.time_ns = 0, .count = 3, .cpu = 0, .where = "kernel"});
  const std::string text = openmetrics_text(events.waits());
  INFO(text);
  CHECK(has_line(text, "netpoll_network_wait_seconds_bucket{mode=\"write\",le=\"0.005\"} 0"));
  CHECK(has_line(text,
                 "netpoll_network_wait_seconds_bucket{mode=\"write\",le=\"0.01\"} 1 "
                 "# {goid=\"17\",fd=\"7\",pid=\"41\"} 0.008"));
  CHECK(has_line(text, "netpoll_network_wait_seconds_count{mode=\"write\"} 2"));
  CHECK(has_line(text, "netpoll_network_wait_seconds_bucket{mode=\"read\",le=\"10\"} 0"));
  CHECK(has_line(text, "netpoll_network_wait_seconds_bucket{mode=\"read\",le=\"+Inf\"} 1 # {fd=\"9\",pid=\"42\"} 30"));
  CHECK(text.find("netpoll_network_wait_seconds_count{mode=\"other\"}") == std::string::npos);
  CHECK(has_line(text, "netpoll_cpu_wait_seconds_sum{mode=\"write\"} 0.0000012"));
  CHECK(has_line(text, "netpoll_cpu_wait_seconds_count{mode=\"read\"} 0"));
  CHECK(has_line(text, "netpoll_cpu_wait_seconds_count{mode=\"other\"} 2"));
  const MetricFamily losses = events.losses();
  CHECK(has_line(prometheus_text({&losses, 1}), "netpoll_events_lost_total{where=\"kernel\"} 3"));
}

}  // namespace
}  // namespace netpoll::exporters
