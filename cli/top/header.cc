// Sums a sample up.
#include "cli/top/header.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>

#include "cli/units.h"
#include "exporters/goroutines/names.h"
#include "exporters/text.h"

namespace netpoll::cli {
namespace {

using exporters::grouped;

constexpr std::size_t kProcessesNamed = 3;
constexpr std::size_t kStatesNamed = 4;

std::string processes_text(const TopSample& sample) {
  std::string text;
  for (std::size_t i = 0; i < std::min(sample.processes.size(), kProcessesNamed); ++i) {
    const probes::TargetInfo& target = sample.processes[i].facts.target;
    text += (i == 0 ? "" : ", ") + target.comm.value_or("?") + " " + std::to_string(target.pid);
  }
  if (sample.processes.empty()) return "no process is left";
  const std::size_t more = sample.processes.size() - std::min(sample.processes.size(), kProcessesNamed);
  return more == 0 ? text : text + " and " + std::to_string(more) + " more";
}

// "goroutines 10,004: IO wait 10,000, select 3", the most frequent states first.
std::string goroutines_text(const TopSample& sample) {
  std::map<std::string_view, std::uint64_t> states;
  std::uint64_t all = 0;
  for (const ProcessSample& process : sample.processes) {
    if (!process.goroutines) continue;
    for (const trace::Goroutine& g : process.goroutines->goroutines) {
      if (g.system) continue;
      ++states[exporters::state_of(g)];
      ++all;
    }
  }
  std::vector<std::pair<std::string_view, std::uint64_t>> ranked(states.begin(), states.end());
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text = "goroutines " + grouped(all);
  for (std::size_t i = 0; i < std::min(ranked.size(), kStatesNamed); ++i) {
    text += (i == 0 ? ": " : ", ") + std::string(ranked[i].first) + " " + grouped(ranked[i].second);
  }
  return text;
}

std::string counts_text(const TopSample& sample) {
  std::uint64_t registrations = 0, instances = 0, threads = 0;
  std::optional<double> cpu;
  for (const ProcessSample& process : sample.processes) {
    registrations += process.facts.registrations.value_or(0);
    instances += process.sets.size();
    threads += process.facts.threads;
    if (process.facts.cpu_percent) cpu = cpu.value_or(0) + *process.facts.cpu_percent;
  }
  std::string text = sample.has_goroutines() ? goroutines_text(sample) + "  " : "";
  if (registrations > 0 || !sample.has_goroutines()) {
    text += "registrations " + grouped(registrations) + " in " + grouped(instances) + " epoll  ";
  }
  text += "threads " + grouped(threads);
  return cpu ? text + "  cpu " + exporters::fixed(*cpu, 1) + " %" : text;
}

std::string rates_text(const TopSample& sample) {
  CallRates all;
  bool any = false;
  for (const ProcessSample& process : sample.processes) {
    if (!process.facts.rates) continue;
    any = true;
    all.waits += process.facts.rates->waits;
    all.wait_events += process.facts.rates->wait_events;
    all.empty_waits += process.facts.rates->empty_waits;
    all.epoll_ctl += process.facts.rates->epoll_ctl;
    all.io_calls += process.facts.rates->io_calls;
  }
  if (!any) return sample.backend == probes::Backend::kNone ? "calls are not counted" : "calls are being counted";
  const auto rate = [](double value) { return short_count(static_cast<std::uint64_t>(std::llround(value))) + "/s"; };
  return "waits " + rate(all.waits) + " (events " + rate(all.wait_events) + ", empty " + rate(all.empty_waits) +
         ")  epoll_ctl " + rate(all.epoll_ctl) + "  I/O calls " + rate(all.io_calls);
}

}  // namespace

std::string clock_text(std::chrono::system_clock::time_point at) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(at);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[16];
  return {text, std::strftime(text, sizeof text, "%H:%M:%S", &local)};
}

std::vector<std::string> header_of(const TopSample& sample, std::chrono::nanoseconds interval,
                                   const std::string& remark, TextRules rules) {
  return {drawable("netpoll-trace top  " + clock_text(sample.taken_at) + (remark.empty() ? "" : "  " + remark) +
                       "  every " + duration_text(interval) + "  " + processes_text(sample),
                   rules),
          drawable(counts_text(sample), rules), drawable(rates_text(sample), rules)};
}

}  // namespace netpoll::cli
