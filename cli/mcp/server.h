// McpServer: the Model Context Protocol on a pair of descriptors: JSON-RPC 2.0, one message a line. Speaks what a
// server with tools needs: initialize, ping, tools/list, tools/call and cancellation
// (modelcontextprotocol.io/specification/2025-06-18, "Lifecycle", "stdio", "Tools").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/mcp/call.h"
#include "cli/system/interrupt.h"
#include "exporters/destination.h"
#include "exporters/json_fwd.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// Not thread-safe. Calls run beside each other, each in a process of its own, so that a ping or a cancellation is
// answered while a measurement lasts.
class McpServer {
 public:
  explicit McpServer(exporters::Destination& out) : out_(out) {}

  // Until in_fd has ended and all calls are answered, or until the interrupt, which ends them unanswered. Fails when
  // the client's end of our output is closed.
  Result<void> serve(int in_fd, Interrupt& interrupt);

 private:
  Result<bool> read(int in_fd);
  Result<void> take_line(std::string_view line);
  Result<void> take_message(const exporters::Json& message);
  Result<void> take_request(const std::string& method, const exporters::Json& id, const exporters::Json& params);
  Result<void> call(const exporters::Json& id, const exporters::Json& params);
  void cancel(const exporters::Json& params);
  Result<void> step_calls();
  Result<void> reply(const exporters::Json& id, exporters::Json result);
  Result<void> refuse(const exporters::Json& id, int code, std::string_view message);

  exporters::Destination& out_;
  std::string buffer_;
  bool skipping_ = false;  // the rest of a line that was too long
  std::vector<Call> calls_;
};

}  // namespace netpoll::cli
