// CallRecorder: writes down what the threads of Tracers do, as raw events.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "probes/ptrace/call_observer.h"
#include "probes/stream.h"
#include "probes/stream/goroutine_names.h"
#include "probes/stream/raw_event.h"

namespace netpoll::probes {

// Several tracers may tell one recorder, while another thread takes what there is. Bounded: what finds no room is
// counted, and the next event says how many that were.
class CallRecorder : public CallObserver {
 public:
  // calls: by row of stream_calls(). bytes: room for events.
  CallRecorder(const std::array<bool, kStreamCallCount>& calls, std::size_t bytes);

  bool enter(const Tracee& tracee, long number, const CallArgs& args) override;
  bool enter_before(const Tracee& tracee, long number, const CallArgs& args, std::int64_t now_ns) override;
  void enter_foreign(const Tracee& tracee) override;
  void started(pid_t tid, std::int64_t now_ns) override;
  void leave(const Tracee& tracee, std::int64_t result, std::int64_t now_ns) override;
  void forget(pid_t tid, std::int64_t now_ns) override;
  void executed(const Tracee& tracee, std::int64_t now_ns) override;
  void forked(const Tracee& tracee, pid_t child, std::int64_t now_ns) override;
  void exited(const Tracee& last, std::int64_t now_ns) override;

  // From now on calls of the process name their goroutines, until it executes another program.
  void set_go_program(pid_t pid, const CurrentG& current);
  // Calls take(bytes) for each event that was written since the last time.
  void take(const std::function<void(std::span<const std::byte>)>& take);
  // Calls show(event) for each call that has not returned, with its time so far.
  void show_open(std::int64_t now_ns, const std::function<void(const netpoll_stream_event&)>& show) const;
  // Writes an unfinished call for each that has not returned. No tracer may run any more.
  void finish(std::int64_t now_ns);
  // What was dropped, and the calls of the 32-bit interface.
  netpoll_stream_cpu totals() const;

 private:
  struct OpenCall {
    pid_t tgid = 0;
    std::uint8_t row = 0;  // of stream_calls()
    CallArgs args{};
    std::int64_t start_ns = 0;
    bool before = false;  // it had begun before we attached, which was at start_ns
  };

  bool open(const Tracee& tracee, long number, const CallArgs& args, std::int64_t before_ns);
  netpoll_stream_event head_of(pid_t tgid, pid_t tid, netpoll_stream_kind kind, std::int64_t now_ns) const;
  void put_call(netpoll_stream_event& event, const OpenCall& call) const;
  void put_goroutine(netpoll_stream_event& event) const;
  void write(const netpoll_stream_event& event, std::span<const std::byte> behind);
  netpoll_stream_event unfinished(pid_t tid, const OpenCall& call, std::int64_t now_ns) const;

  std::array<std::uint8_t, 512> row_of_nr_{};  // + 1; 0: not in the stream
  const std::size_t room_;

  mutable std::mutex mutex_;  // of all below
  std::unordered_map<pid_t, OpenCall> open_;
  std::unordered_map<pid_t, CurrentG> go_programs_;
  std::vector<std::byte> bytes_;    // events, each behind its size
  std::vector<std::byte> reading_;  // that are being taken
  netpoll_stream_cpu totals_{};
};

}  // namespace netpoll::probes
