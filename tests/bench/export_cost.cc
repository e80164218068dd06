// export_cost: what writing an event costs in each format that takes a stream, as JSON on stdout.
//
// The events are those of an echo server on libruntime that eBPF sees: a read that finds nothing, a park, a poll, a
// ready, a run, the read and the write, with addresses; and, as `calls`, those of a program of which only calls are
// known. Each round writes all of them to /dev/null; time is that of our CPU.
//
//   export_cost [--rounds N] [--events N]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "exporters/exporter.h"
#include "netpoll/trace/event.h"
#include "tests/bench/bench.h"

namespace {

using namespace netpoll;

double cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

std::vector<std::shared_ptr<const trace::Endpoint>> endpoints() {
  std::vector<std::shared_ptr<const trace::Endpoint>> list;
  for (int fd = 0; fd < 64; ++fd) {
    list.push_back(std::make_shared<const trace::Endpoint>(
        trace::Endpoint{.kind = "tcp", .local = "127.0.0.1:8080", .peer = "127.0.0.1:" + std::to_string(40000 + fd)}));
  }
  return list;
}

struct Maker {
  explicit Maker(std::size_t count) : wanted(count) { records.reserve(count + 8); }

  trace::Record& add(trace::RecordKind kind, std::string_view name, std::uint64_t goid, int fd) {
    now += 700;
    trace::Record& record = records.emplace_back();
    record.time_ns = now;
    record.kind = kind;
    record.name = name;
    record.pid = 4711;
    record.tid = 4711 + static_cast<pid_t>(goid % 2);
    record.goid = goid;
    record.fd = fd;
    if (fd >= 0) record.endpoint = known.at(static_cast<std::size_t>(fd - 8));
    return record;
  }
  trace::Record& tracepoint(trace::Tp tp, std::uint64_t goid, int fd, std::initializer_list<std::int64_t> args) {
    const trace::TpInfo& info = trace::tracepoints().at(static_cast<std::size_t>(tp));
    trace::Record& record = add(trace::RecordKind::kTracepoint, info.name, goid, fd);
    record.row = static_cast<std::uint16_t>(tp);
    std::size_t i = 0;
    for (const std::int64_t arg : args) record.add(info.args.at(i++), trace::ArgForm::kNumber, arg);
    return record;
  }
  void call(std::string_view name, std::uint64_t goid, int fd, std::int64_t result, trace::Step step) {
    trace::Record& record = add(trace::RecordKind::kCall, name, goid, fd);
    record.add("fd", trace::ArgForm::kFd, fd);
    record.add("count", trace::ArgForm::kNumber, 4096);
    record.duration_ns = 500;
    record.result = result;
    record.step = step;
    if (step == trace::Step::kRun) {
      record.network_wait_ns = 1000;
      record.cpu_wait_ns = 200;
    }
  }
  void wait(std::uint64_t goid, int fd) {
    trace::Record& record = add(trace::RecordKind::kCall, "epoll_wait", goid, -1);
    record.add("epfd", trace::ArgForm::kFd, 4);
    record.add("maxevents", trace::ArgForm::kNumber, 128);
    record.add("timeout", trace::ArgForm::kMilliseconds, -1);
    record.duration_ns = 600;
    record.result = 1;
    record.step = trace::Step::kReady;
    record.ready.push_back({.fd = fd, .events = 1, .data = 7});
  }

  const std::vector<std::shared_ptr<const trace::Endpoint>> known = endpoints();
  std::size_t wanted;
  std::uint64_t now = 1'000'000'000;
  std::vector<trace::Record> records;
};

std::vector<trace::Record> of_runtime(std::size_t count) {
  Maker make(count);
  using trace::Tp;
  for (std::uint64_t i = 0; make.records.size() < make.wanted; ++i) {
    const std::uint64_t goid = 1 + i % 64;
    const auto g = static_cast<std::int64_t>(goid);
    const int fd = 8 + static_cast<int>(i % 64);
    make.call("read", goid, fd, -11, trace::Step::kNone);
    make.tracepoint(Tp::park, goid, fd, {g, 5, fd, 0, 1}).step = trace::Step::kPark;
    make.wait(0, fd);
    make.tracepoint(Tp::ready, goid, fd, {g, 5, fd, 0}).step = trace::Step::kReady;
    make.tracepoint(Tp::run, goid, fd, {g, g % 2}).step = trace::Step::kRun;
    make.call("read", goid, fd, 64, trace::Step::kNone);
    make.call("write", goid, fd, 64, trace::Step::kNone);
  }
  return std::move(make.records);
}

std::vector<trace::Record> of_tracepoints(std::size_t count) {
  Maker make(count);
  using trace::Tp;
  for (std::uint64_t i = 0; make.records.size() < make.wanted; ++i) {
    const std::uint64_t goid = 1 + i % 64;
    const auto g = static_cast<std::int64_t>(goid);
    const int fd = 8 + static_cast<int>(i % 64);
    make.tracepoint(Tp::park, goid, fd, {g, 5, fd, 0, 1}).step = trace::Step::kPark;
    make.tracepoint(Tp::poll_enter, 0, -1, {-1});
    make.tracepoint(Tp::poll_exit, 0, -1, {1});
    make.tracepoint(Tp::ready, goid, fd, {g, 5, fd, 0}).step = trace::Step::kReady;
    make.tracepoint(Tp::run, goid, fd, {g, g % 2}).step = trace::Step::kRun;
  }
  return std::move(make.records);
}

std::vector<trace::Record> of_calls(std::size_t count) {
  Maker make(count);
  for (std::uint64_t i = 0; make.records.size() < make.wanted; ++i) {
    const int fd = 8 + static_cast<int>(i % 64);
    make.wait(0, fd);
    make.call("read", 0, fd, 64, trace::Step::kRun);
    make.call("write", 0, fd, 64, trace::Step::kNone);
    make.call("read", 0, fd, -11, trace::Step::kPark);
  }
  return std::move(make.records);
}

nlohmann::ordered_json measure(const exporters::Format& format, const std::vector<trace::Record>& records,
                               std::size_t rounds) {
  std::vector<double> per_event;
  for (std::size_t round = 0; round < rounds; ++round) {
    auto out = exporters::Destination::open("/dev/null");
    if (!out) std::abort();
    const auto exporter = format.make(*out, {});
    const double begin = cpu_ns();
    bool ok = exporter->begin({{"started_ns", 1'000'000'000}}).has_value();
    for (const trace::Record& record : records) ok = exporter->event(record).has_value() && ok;
    ok = exporter->end({{"events", records.size()}, {"lost", 0}}).has_value() && ok;
    if (!ok) std::abort();
    per_event.push_back((cpu_ns() - begin) / static_cast<double>(records.size()));
  }
  std::sort(per_event.begin(), per_event.end());
  return {{"ns_per_event",
           {{"median", per_event[per_event.size() / 2]}, {"min", per_event.front()}, {"max", per_event.back()}}},
          {"events_per_s", 1e9 / per_event[per_event.size() / 2]}};
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t rounds = 7, events = 200'000;
  bench::read_flags(argc, argv, {{"--rounds", rounds, 1}, {"--events", events, 1}});
  auto result = bench::new_document("export_cost");
  result["rounds"] = rounds;
  result["events"] = events;
  const std::vector<std::pair<const char*, std::vector<trace::Record>>> loads = {
      {"runtime", of_runtime(events)}, {"tracepoints", of_tracepoints(events)}, {"calls", of_calls(events)}};
  for (const exporters::Format& format : exporters::formats()) {
    if (!format.takes(exporters::Content::kStream)) continue;
    for (const auto& [name, records] : loads) {
      result["formats"][std::string(format.name)][name] = measure(format, records, rounds);
    }
  }
  std::printf("%s\n", result.dump(2).c_str());
}
