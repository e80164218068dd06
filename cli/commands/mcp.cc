// mcp: the JSON commands as read-only tools of a Model Context Protocol server on stdin and stdout.
#include <unistd.h>

#include "cli/command.h"
#include "cli/mcp/server.h"
#include "exporters/destination.h"

namespace netpoll::cli {
namespace {

Action add(Flags&) {
  return [](Invocation& invocation) -> Result<ExitStatus> {
    auto out = exporters::Destination::open("");
    if (!out) return out.error();
    if (::isatty(STDIN_FILENO) != 0) {
      invocation.log.note("a Model Context Protocol server: expects JSON-RPC messages of a client, one a line");
    }
    McpServer server(*out);
    if (auto served = server.serve(STDIN_FILENO, invocation.interrupt); !served) return served.error();
    return invocation.interrupt.requested() ? invocation.interrupt.status() : ExitStatus::kDone;
  };
}

}  // namespace

const Command mcp_command{
    .name = "mcp",
    .summary = "offers the JSON commands to a language model's client",
    .usage = "[options]",
    .description =
        "A Model Context Protocol server on standard input and output. Its tools are commands of this program that "
        "change nothing: who waits and for whom, groups and summaries of goroutines, interest sets, calls around the "
        "poller, comparisons, what this machine allows. Answers are bounded: the longest and the worst first, with "
        "how many were left out.\n\n"
        "It has the rights of whoever starts it and no others. A client starts it with the command `netpoll-trace "
        "mcp`.",
    .examples =
        "claude mcp add netpoll-trace -- netpoll-trace mcp\n"
        R"(echo '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | netpoll-trace mcp | jq '.result.tools[].name')",
    .add = add,
};

}  // namespace netpoll::cli
