// StreamDecoder: makes records out of raw events, and joins them with what else is known.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "netpoll/trace/record.h"
#include "probes/stream/endpoints.h"
#include "probes/stream/goroutine_names.h"
#include "probes/stream/interests.h"
#include "probes/stream/raw_event.h"
#include "probes/stream/stories.h"

namespace netpoll::probes {

// One thread at a time.
class StreamDecoder {
 public:
  // goroutines may be null; clock_offset_ns is what our CLOCK_MONOTONIC is ahead of the kernel's.
  StreamDecoder(std::unique_ptr<GoroutineNames> goroutines, std::int64_t clock_offset_ns);

  // A process by the kernel's number and ours; and what it has open and registered, where it runs already.
  void add_target(std::uint32_t tgid, pid_t pid, bool load);
  // Processes that were not added and do something are added and loaded then, rather than taken for newly born.
  void expect_strangers() { expect_strangers_ = true; }

  // Takes an event, and keeps a copy.
  void take(std::span<const std::byte> bytes);
  void take(const netpoll_stream_event& event) { take(std::as_bytes(std::span(&event, 1))); }
  // Hands on everything that happened up to until_ns of the kernel's clock, in order of time.
  void give(std::uint64_t until_ns, trace::Sink& sink);
  // Shows an unfinished call or operation that is no event of the stream.
  void show(const netpoll_stream_event& event, trace::Sink& sink);
  // What each CPU has dropped in all, at the end.
  void finish(std::span<const netpoll_stream_cpu> cpus, std::uint64_t now_ns, trace::Sink& sink);
  // The same where nobody knows the CPU of an event.
  void finish(const netpoll_stream_cpu& all, std::uint64_t now_ns, trace::Sink& sink);

  // Who may have become a Go program since it was last asked: by an exec, or as a stranger.
  struct NewProgram {
    std::uint32_t tgid;
    pid_t pid;
  };
  std::vector<NewProgram> take_new_programs() { return std::exchange(new_programs_, {}); }
  GoroutineNames* goroutines() { return goroutines_.get(); }
  // Whether the process, by the kernel's number, did something or was added, and has not ended.
  bool knows(std::uint32_t tgid) const { return pids_.count(tgid) != 0; }
  std::uint64_t events() const { return events_; }
  const std::map<std::uint16_t, std::uint64_t>& lost() const { return lost_; }  // by CPU

 private:
  struct Taken {
    std::uint64_t time_ns;
    std::size_t at;  // in bytes_
  };

  const netpoll_stream_event& event_at(const Taken& taken) const;
  void note_losses(const netpoll_stream_event& event, trace::Sink& sink);
  void lose_rest(std::uint16_t cpu, const netpoll_stream_cpu& state, std::uint64_t now_ns, trace::Sink& sink);
  void lose(std::uint16_t cpu, std::uint64_t count, std::uint64_t time_ns, trace::Sink& sink);
  void decode(const netpoll_stream_event& event, trace::Record& record);
  void join(const netpoll_stream_event& event, trace::Record& record);
  void add_ready(const netpoll_stream_event& event, trace::Record& record);
  void follow(const netpoll_stream_event& event, const trace::Record& record);
  void follow_uring(const trace::Record& record);
  void follow_process(const netpoll_stream_event& event, trace::Record& record);
  pid_t pid_of(std::uint32_t tgid);

  std::unique_ptr<GoroutineNames> goroutines_;
  std::int64_t clock_offset_ns_;
  std::unordered_map<std::uint32_t, pid_t> pids_;
  std::vector<std::byte> bytes_;
  std::vector<Taken> taken_;
  std::map<std::uint16_t, std::uint32_t> dropped_;  // by CPU, as last seen
  std::map<std::uint16_t, std::uint64_t> lost_;
  std::uint64_t events_ = 0;
  std::vector<NewProgram> new_programs_;
  bool expect_strangers_ = false;
  EndpointCache endpoints_;
  Interests interests_;
  Stories stories_;
};

}  // namespace netpoll::probes
