// record.h: one event of a stream, whatever saw it: sources fill it in, exporters show it, neither knows the other.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace netpoll::trace {

// What a descriptor is. Unknown is empty.
struct Endpoint {
  std::string kind;   // "tcp", "udp", "unix", "pipe", "epoll", "other"
  std::string local;  // "127.0.0.1:80", "unix:/path", or the link's text
  std::string peer;
};

// Profiler labels of a goroutine.
using Labels = std::vector<std::pair<std::string, std::string>>;

// The part an event plays in the story of a connection, or of a goroutine that waits for one.
enum class Step : std::uint8_t {
  kNone,
  kRegister,  // the poller learned of the descriptor
  kPark,      // nothing to read, or no room to write: whoever asked waits for the network from here on
  kReady,     // the poller reported what was waited for; from here on it waits for a CPU
  kRun,       // it goes on
  kClose,
};
std::string_view step_name(Step step);  // "park"; empty for kNone

// How the value of an argument is to be read.
enum class ArgForm : std::uint8_t {
  kNumber,
  kFd,
  kHex,           // a set of flags, an address
  kCtlOp,         // EPOLL_CTL_ADD, ...
  kPollEvents,    // EPOLLIN | ...
  kMilliseconds,  // -1: for ever
  kNanoseconds,
  kMode,  // 0 read, 1 write
  kText,  // Arg::text
};

struct Arg {
  std::string_view name;  // static storage
  ArgForm form = ArgForm::kNumber;
  std::int64_t value = 0;
  std::string_view text = {};  // static storage
};

// One descriptor that a poller reported.
struct ReadyEntry {
  int fd = -1;  // -1: registered where we could not see it
  std::uint32_t events = 0;
  std::uint64_t data = 0;  // the word it was registered with
};

enum class RecordKind : std::uint8_t {
  kCall,        // a system call, at its return
  kTracepoint,  // of a runtime
  kProcess,     // exec, fork, exit
  kUring,       // an operation of io_uring, at its completion
};
std::string_view record_kind_name(RecordKind kind);  // "syscall", "tracepoint", "process", "io_uring"

// A copy is whole: it refers to nothing but static storage and what it shares. Unknown is nullopt, 0 for ids.
struct Record {
  static constexpr std::size_t kMaxArgs = 6;

  std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC; of a call, its return; of an operation, its completion
  RecordKind kind = RecordKind::kCall;
  Step step = Step::kNone;
  bool unfinished = false;  // a call that had not returned, or operation under way: its thread, or the trace, ended
  std::uint8_t argc = 0;
  std::uint16_t row = 0;  // of the table that its name is from; for whoever counts by name
  std::string_view name;  // "epoll_wait", "park", "exec"; static storage
  std::uint32_t cpu = 0;
  pid_t pid = 0;
  pid_t tid = 0;
  std::uint64_t goid = 0;  // 0: none, or not known
  std::array<Arg, kMaxArgs> args{};

  std::optional<std::uint64_t> duration_ns;  // of a call or operation; nothing where its start was not seen
  std::optional<std::uint64_t> before_ns;    // of one that had begun before the trace: since then, so it took longer
  std::optional<std::int64_t> result;        // of these; negative: -errno, also the kernel's own 512 and up
  int fd = -1;                               // the descriptor it is about; -1: none
  std::uint32_t ready_omitted = 0;           // reported by the poller beside `ready`
  std::vector<ReadyEntry> ready;             // of a call that waits for events
  // Of kRun: how long it waited for the network, and then for a CPU. Of kReady of a goroutine: the former.
  std::optional<std::uint64_t> network_wait_ns;
  std::optional<std::uint64_t> cpu_wait_ns;

  std::shared_ptr<const Endpoint> endpoint;  // of fd
  std::shared_ptr<const Labels> labels;      // of goid

  // How long it took at least; nothing where nobody knows.
  std::optional<std::uint64_t> least_ns() const { return duration_ns ? duration_ns : before_ns; }
  // Whether it takes time and has a result.
  bool takes_time() const { return kind == RecordKind::kCall || kind == RecordKind::kUring; }
  void add(std::string_view arg, ArgForm form, std::int64_t value) { args.at(argc++) = {arg, form, value}; }
};

// Events that a stream should contain and does not.
struct Loss {
  std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC, about: before the next event
  std::uint64_t count = 0;
  int cpu = -1;            // -1: of no CPU in particular
  std::string_view where;  // "kernel", "ring", "output"; static storage
};

// Receives a stream in order of time. Called on the thread that drains the source.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void event(const Record& record) = 0;
  virtual void lost(const Loss& loss) = 0;
};

}  // namespace netpoll::trace
