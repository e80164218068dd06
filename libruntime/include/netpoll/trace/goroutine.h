// goroutine.h: the one record of a goroutine, whatever runtime it belongs to and whoever read it: readers of live
// processes and cores, and Runtime::snapshot() fill it in, exporters and the command line show it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace netpoll::trace {

enum class IoMode : std::uint8_t { kRead, kWrite };

// One function of a stack. A call that was inlined has a frame of its own.
struct Frame {
  std::string function;  // as the language spells it: "net.(*conn).Read", "serve(int)::{lambda()#1}"; empty: unknown
  std::string file;      // path as the compiler saw it; empty: unknown
  int line = 0;          // of the call or, in the first frame, of the next instruction; 0: unknown
  std::uint64_t pc = 0;  // in the target
  std::uint64_t entry_pc = 0;  // where the function begins; 0: unknown
  bool inlined = false;        // into the frame below
  bool hidden = false;         // the runtime's own, or a compiler's wrapper: left out of a page unless asked for
};

// Who waits for a descriptor of a process that holds the other end: a goroutine, or a thread of a program whose runtime
// is not known.
struct PeerWaiter {
  std::optional<std::uint64_t> goid;
  std::optional<pid_t> tid;
  std::string state;  // "IO wait", "syscall"; of a thread, the name of its system call
  std::optional<IoMode> mode;
  std::optional<std::int64_t> wait_ns;  // at least
  std::string function;                 // that it runs; empty: unknown
};

// A process that holds the other end of a connection.
struct PeerProcess {
  pid_t pid = -1;
  std::string comm;
  int fd = -1;
  std::optional<std::vector<PeerWaiter>> waiters;  // for fd; nothing: nobody looked, or could
};

// Where the descriptor of an IO wait was learned from. The two are independent of each other.
enum class FdSource : std::uint8_t {
  kNone,
  kPoller,  // the poller's interest set or the runtime's own tables
  kStack,   // the waiting goroutine's stack
  kBoth,    // and they agree
};

// One goroutine. Unknown is nullopt or an empty string, and never 0.
struct Goroutine {
  std::uint64_t goid = 0;  // 0: unknown (debug=1 names none), or the goroutine of a thread's own stack
  std::optional<std::uint64_t> parent_goid;
  std::size_t runtime = 0;              // index in GoroutineSnapshot::runtimes
  std::string status;                   // "waiting", "running", "runnable", "syscall", "preempted", ...
  std::string wait_reason;              // as the runtime prints it: "IO wait", "chan receive"; empty unless it waits
  bool io_wait = false;                 // it waits for a descriptor
  std::optional<std::int64_t> wait_ns;  // since it parked, where the runtime knows
  std::optional<std::int64_t>
      wait_at_least_ns;  // where the runtime knows no more than that (Go: since a GC saw it wait)
  bool system = false;   // the runtime's own goroutine
  bool locked_to_thread = false;
  bool stable = true;  // the same in two readings; false: kept moving, its fields may not belong together
  std::vector<std::pair<std::string, std::string>> labels;  // in the order in which the program holds them

  // While in IO wait, or in a system call on a descriptor.
  std::optional<int> fd;
  std::optional<IoMode> mode;
  FdSource fd_source = FdSource::kNone;
  std::optional<int> other_fd;                 // what the second source says where it disagrees with fd
  std::string fd_state;                        // "closed", "reused": fd no longer stands for the registered file
  bool becoming_ready = false;                 // its event or deadline has come, but it does not run yet
  bool foreign_change = false;                 // somebody else's epoll_ctl touched this registration
  std::optional<std::int64_t> deadline_in_ns;  // of that direction, from the reading on; negative once it passed
  std::string kind;                            // "tcp", "udp", "unix", "pipe", "other"
  std::string local;                           // "127.0.0.1:80", "unix:/path"; of what is no socket, the link's text
  std::string peer;
  std::string tcp_state;  // "ESTABLISHED", ...
  std::optional<std::uint64_t> recv_queue_bytes;
  std::optional<std::uint64_t> send_queue_bytes;
  std::optional<std::int64_t> socket_idle_ns;  // TCP: since data last came (read waits) or went (write waits)
  std::vector<PeerProcess> peer_processes;     // several after a fork

  std::vector<std::string> remarks;  // what else a runtime says of its state: "leaked", "synctest bubble 1"

  std::string syscall;       // name of the system call it is in; empty: none
  std::optional<pid_t> tid;  // of the thread it runs on, or blocks in a call on

  std::vector<std::uint32_t> stack;         // innermost first; indices in GoroutineSnapshot::frames
  std::string stack_ends_early;             // why the stack is not whole; empty: it is
  std::optional<std::uint32_t> entry;       // what go() was given; index in frames
  std::optional<std::uint32_t> created_by;  // where it was started; index in frames
};

// One runtime of a process. libruntime may have several, Go has one.
struct RuntimeFacts {
  std::string name;
  std::optional<std::uint32_t> procs;
  std::string poll_mode;  // empty: has no such choice
  std::string trigger;
  int epfd = -1;  // -1: none yet, or unknown
};

struct GoroutineSnapshot {
  std::string language;          // "libruntime", "go": for a heading; nothing else depends on it
  std::string runtime_version;   // "0.1.0", "go1.22.5"
  std::int64_t taken_at_ns = 0;  // CLOCK_MONOTONIC of the reader, of the first reading
  std::int64_t took_ns = 0;
  std::int64_t paused_ns = 0;  // how long the target was stopped for it; 0: never
  std::vector<RuntimeFacts> runtimes;
  std::vector<Frame> frames;          // each distinct one once
  std::vector<Goroutine> goroutines;  // by runtime, then by goid
  std::uint64_t inconsistent = 0;     // goroutines that kept moving through all retries: left out, or not `stable`
  std::uint64_t retries = 0;          // readings beyond the first that it took
  std::string interest_source;        // where descriptors come from: "epoll", "tables", "stacks", "fdinfo"; or empty
  std::vector<std::string> warnings;  // one sentence each
};

}  // namespace netpoll::trace
