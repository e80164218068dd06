// Who waits for whom across processes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "netpoll/result.h"
#include "probes/goroutines/waits.h"

namespace netpoll::cli {

// What is known of the process at the other end of a wait.
enum class Answer : std::uint8_t {
  kOwes,      // nobody there waits for this connection: it works, or waits for something else
  kWaitsToo,  // both ends wait for the other in the same direction: an idle connection, unless one should have spoken
  kMoving,    // one reads what the other writes: they were about to go on
  kUnknown,   // it was not looked at
};
const char* answer_name(Answer answer);

struct WaitEdge {
  std::size_t from = 0;  // index in waits
  pid_t to = -1;
  std::string to_comm;
  int to_fd = -1;
  Answer answer = Answer::kUnknown;
  std::vector<std::size_t> there;  // who waits for to_fd there; indices in waits
};

struct GraphProcess {
  pid_t pid = -1;
  std::string comm;
  std::string runtime;
  std::string runtime_version;
  std::string error;   // why it was not read; empty: it was
  bool asked = false;  // by the user, rather than followed
};

struct GraphWait {
  pid_t pid = -1;
  probes::DescriptorWait wait;
};

// Processes that wait for one another in a ring, each for the next: edges from the one with the lowest pid on.
using WaitCycle = std::vector<std::size_t>;

struct WaitGraph {
  std::vector<GraphProcess> processes;  // those that were asked for first
  std::vector<GraphWait> waits;         // for what another process, or this one, holds the other end of
  std::vector<WaitEdge> edges;
  std::vector<WaitCycle> cycles;  // indices in edges
  bool truncated = false;         // there were more processes than are looked at
};

inline constexpr std::size_t kMostProcesses = 64;

// Reads the processes, and with follow those at the other ends too, and so on. They run meanwhile: what is seen of two
// of them may be some milliseconds apart. Errors: of the first process that was asked for and cannot be read.
Result<WaitGraph> read_wait_graph(const std::vector<pid_t>& pids, bool follow);

// Fills in answers and cycles from processes and waits. read_wait_graph does.
void connect_waits(WaitGraph& graph);

}  // namespace netpoll::cli
