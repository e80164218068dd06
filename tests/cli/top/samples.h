// Samples as a look at processes would make them.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "cli/top/sample.h"

namespace netpoll::cli {

inline constexpr std::int64_t kSecond = 1'000'000'000;

inline trace::Goroutine waiting_goroutine(std::uint64_t goid, const std::string& peer, std::int64_t wait_ns) {
  trace::Goroutine g;
  g.goid = goid;
  g.status = "waiting";
  g.wait_reason = "IO wait";
  g.io_wait = true;
  g.wait_ns = wait_ns;
  g.fd = static_cast<int>(goid);
  g.mode = trace::IoMode::kRead;
  g.kind = "tcp";
  g.local = "10.0.0.1:80";
  g.peer = peer;
  g.tcp_state = "ESTABLISHED";
  g.recv_queue_bytes = 0;
  g.send_queue_bytes = 0;
  g.stack = {0, 1};
  g.entry = 1;
  return g;
}

inline ProcessSample process_with(std::vector<trace::Goroutine> goroutines, pid_t pid = 4711) {
  ProcessSample process;
  process.facts.target.pid = pid;
  process.facts.target.comm = "server";
  process.facts.target.kind = "go";
  trace::GoroutineSnapshot snapshot;
  snapshot.language = "go";
  for (const char* name : {"net.(*conn).Read", "main.serve"}) {
    trace::Frame frame;
    frame.function = name;
    frame.file = "/src/main.go";
    frame.line = 12;
    snapshot.frames.push_back(std::move(frame));
  }
  snapshot.goroutines = std::move(goroutines);
  process.facts.goroutines = snapshot.goroutines.size();
  process.goroutines = std::move(snapshot);
  return process;
}

inline probes::InterestEntry entry_of(int fd, const std::string& peer, std::uint64_t queued) {
  probes::InterestEntry e;
  e.fd = fd;
  e.events = 1;  // EPOLLIN
  e.file.kind = "tcp";
  e.file.local = "10.0.0.1:6379";
  e.file.peer = peer;
  e.file.tcp_state = "ESTABLISHED";
  e.file.recv_queue_bytes = queued;
  e.file.send_queue_bytes = 0;
  return e;
}

inline ProcessSample process_of_entries(std::vector<probes::InterestEntry> entries, pid_t pid = 6379) {
  ProcessSample process;
  process.facts.target.pid = pid;
  process.facts.target.comm = "redis-server";
  process.facts.target.kind = "other";
  process.facts.registrations = entries.size();
  probes::InterestSet set;
  set.pid = pid;
  set.epfd = 5;
  set.entries = std::move(entries);
  process.sets.push_back(std::move(set));
  return process;
}

inline std::shared_ptr<const TopSample> sample_of(std::uint64_t look, std::vector<ProcessSample> processes) {
  auto sample = std::make_shared<TopSample>();
  sample->look = look;
  sample->taken_at = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000 + look));
  sample->processes = std::move(processes);
  return sample;
}

}  // namespace netpoll::cli
