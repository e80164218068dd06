// Call: one tools/call on its way: this program again, with the words of the tool, and what it has answered so far.
#pragma once

#include <poll.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "exporters/json.h"
#include "netpoll/fd.h"
#include "netpoll/result.h"
#include "probes/launch/child.h"

namespace netpoll::cli {

// The result of tools/call, as MCP defines CallToolResult. An error is for the model to read.
exporters::Json text_result(const std::string& text, bool is_error);

// Not thread-safe. The destructor ends the command.
class Call {
 public:
  using Clock = std::chrono::steady_clock;

  // id: of the request, to answer it. limit: of bound(). Starts the command.
  static Result<Call> start(exporters::Json id, const std::vector<std::string>& words, std::size_t limit);

  const exporters::Json& id() const { return id_; }
  // What to wait for: the command's two streams; closed ones have fd -1.
  std::vector<pollfd> waits_for() const;
  // Reads what has arrived, and ends a command that takes too long or says too much.
  void step();
  // When to call step() even if nothing arrives.
  Clock::time_point deadline() const { return deadline_; }

  // Once the command has ended. A command that could not do it is an error with its message.
  bool ended() const { return !out_fd_.valid() && !err_fd_.valid(); }
  exporters::Json result();

 private:
  Call(exporters::Json id, std::size_t limit, probes::Child child, Fd out, Fd err);

  exporters::Json id_;
  std::size_t limit_;
  probes::Child child_;
  Fd out_fd_, err_fd_;
  std::string out_, err_;
  std::string gave_up_;  // why we ended it
  Clock::time_point deadline_;
};

}  // namespace netpoll::cli
