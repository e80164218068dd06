// How a command that is still running is ended: asked, and then not asked any more.
#include <csignal>

#include "cli/system/interrupt.h"
#include "probes/launch/child.h"

namespace netpoll::cli {
namespace {

// How long we wait for a command to end that was asked to.
constexpr int kGraceMs = 5000;

}  // namespace

Result<std::optional<probes::ChildExit>> ask_to_end(probes::Child& command, bool kill, const Interrupt& interrupt) {
  if (auto sent = command.send(interrupt.signal().value_or(SIGTERM)); !sent) return std::move(sent).error();
  auto status = command.wait(kGraceMs);
  if (!status || *status || !kill) return status;
  auto killed = command.kill();
  if (!killed) return std::move(killed).error();
  return std::optional(*killed);
}

}  // namespace netpoll::cli
