// The document of `top`: one look at processes, as rows of one view.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exporters/json.h"
#include "netpoll/trace/goroutine.h"
#include "probes/counts.h"
#include "probes/goroutines/target_info.h"
#include "probes/source.h"

namespace netpoll::cli {

// What a process did between two looks, a second.
struct CallRates {
  double waits = 0;        // calls that wait for events: epoll_wait, poll, select and kin
  double wait_events = 0;  // that they returned
  double empty_waits = 0;  // of them, those that returned nothing
  double epoll_ctl = 0;
  double io_calls = 0;  // read, write and kin
};

// A process at one look.
struct TopProcess {
  probes::TargetInfo target;
  std::optional<std::uint64_t> goroutines;     // nothing: it has none, or they cannot be read
  std::optional<std::uint64_t> io_waits;       // of them
  std::optional<std::uint64_t> registrations;  // with epoll instances; nothing: goroutines were read instead
  std::uint64_t threads = 0;
  std::optional<double> cpu_percent;  // since the look before; 100 is one CPU
  std::optional<CallRates> rates;     // nothing: the first look, or calls are not counted
};

// What a row's delta and history are about; the name is that of the member that has it.
enum class TopFigure : std::uint8_t { kWait, kCount, kQueue, kCpu };
const char* figure_name(TopFigure figure);  // "wait_ns", "count", "queue_bytes", "cpu_percent"

// A goroutine, a registration, a thread, a process, or several goroutines or registrations together. Unknown is nullopt
// or empty.
struct TopRow {
  std::string key;  // what the row stands for, in words: a function, a peer, a stack, a thread's name
  std::optional<pid_t> pid;
  std::string comm;  // of that process
  std::optional<std::uint64_t> goid;
  std::optional<pid_t> tid;
  std::optional<int> fd;
  std::optional<int> epfd;
  std::uint64_t count = 1;
  std::optional<double> delta;          // of the figure, since the look before
  std::optional<std::int64_t> wait_ns;  // of several: the longest
  bool wait_is_at_least = false;        // the runtime knows no more than that
  std::string state;                    // why it waits, its status, or a thread's system call
  std::string mode;                     // "read", "write", "read, write", or the mask of a registration
  std::string local;
  std::string peer;
  std::string tcp_state;
  std::optional<std::uint64_t> recv_queue_bytes;  // of several: the sum
  std::optional<std::uint64_t> send_queue_bytes;
  std::optional<double> cpu_percent;
  std::optional<CallRates> rates;
  std::string remark;  // what should not be: "closed", "reused", "foreign epoll_ctl"

  std::optional<std::uint64_t> queue_bytes() const;  // both queues
};

struct TopDocument {
  std::chrono::system_clock::time_point taken_at;
  std::chrono::nanoseconds took{0};
  std::uint64_t look = 1;  // the how manieth
  std::vector<TopProcess> processes;
  probes::Backend backend = probes::Backend::kNone;  // that counts calls
  std::string overhead_note;
  std::vector<std::string> notes;  // what is missing, and why
  std::string by;
  TopFigure figure = TopFigure::kWait;
  std::string sort;
  bool descending = true;
  std::string filter;
  std::uint64_t total = 0;     // rows before the filter
  std::uint64_t matching = 0;  // and after it
  std::vector<TopRow> rows;    // the first of them
};

exporters::Json top_document(const TopDocument& top);

}  // namespace netpoll::cli
