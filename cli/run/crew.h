// Crew: the two workers of one run, and who counts what the server does. One file each way: crew_linux.cc, where probes
// attach to a server that is held before its first call, and crew_untraced.cc, where the server's own counters are all
// there is.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/log.h"
#include "cli/probe_info.h"
#include "cli/system/interrupt.h"
#include "netpoll/result.h"
#include "probes/counts.h"
#include "probes/goroutines/target_info.h"
#include "probes/source.h"

namespace netpoll::cli {

enum class Role : std::uint8_t { kServer, kLoad };
inline constexpr std::array kRoles = {Role::kServer, Role::kLoad};

// "the load generator".
constexpr const char* role_name(Role role) { return role == Role::kServer ? "the server" : "the load generator"; }

// Something a worker has to say (cli/workload/protocol.h).
struct Report {
  Role role = Role::kServer;
  std::optional<std::string> line;  // nothing: its report is at its end, once
};

// Makes the arguments of a worker, given the descriptors that it finds its pipes under.
using WorkerArguments = std::function<std::vector<std::string>(int control_fd, int report_fd)>;

// In this order: gather; start the server, then perhaps the load generator; listen any number of times; stop and await
// the ending of the server; stop_counting. The destructor leaves no process behind. Movable, not thread-safe.
class Crew {
 public:
  // Chooses who counts; fails where that back end is not to be had. interrupt and log outlive the crew.
  static Result<Crew> gather(probes::Backend backend, Interrupt& interrupt, Log& log);
  Crew(Crew&&) noexcept;
  Crew& operator=(Crew&&) = delete;
  ~Crew();

  // Starts a worker, once. The server is counted from its first call on.
  Result<void> start(Role role, const WorkerArguments& arguments);
  // Of one that was started.
  int pid(Role role) const;
  // Closes its control pipe: it reports what it has and exits. Idempotent.
  void stop(Role role);
  // "ended with exit status 3", once it has; waits at most that long. Nothing: it goes on.
  Result<std::optional<std::string>> ending(Role role, std::chrono::milliseconds longest);

  // Lets the back end work, and takes what the workers say, in the order of arrival for each. Returns, with nothing
  // perhaps, after `longest` at the latest; an interrupt is seen within a moment.
  Result<std::vector<Report>> listen(std::chrono::milliseconds longest);

  // Who counts, as far as that is known before the end. After the server's start.
  const ProbeInfo& probe() const;
  // What the server is; nothing where it cannot be seen. While it lives.
  std::optional<probes::TargetInfo> describe_server() const;
  // What was counted from outside; what that lacks is said in probe.
  Result<probes::Counts> stop_counting(ProbeInfo& probe);

 private:
  struct State;
  explicit Crew(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace netpoll::cli
