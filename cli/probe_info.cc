// What a session says of itself, and what its counts lack.
#include "cli/probe_info.h"

#include "exporters/text.h"
#include "probes/session.h"

namespace netpoll::cli {

ProbeInfo probe_info(const probes::Session& session, Log& log) {
  ProbeInfo probe;
  probe.backend = session.backend();
  probe.passed_over = session.passed_over();
  for (const std::string& reason : probe.passed_over) log.note("not used: " + reason);
  return probe;
}

void put_losses(ProbeInfo& probe, const probes::Counts& counts) {
  probe.lost = counts.lost;
  if (counts.unseen_programs > 0) {
    probe.notes.push_back(
        "not counted: what " + exporters::grouped(counts.unseen_programs) +
        (counts.unseen_programs == 1 ? " program did that was" : " programs did that were") +
        " executed: set-user-ID, not readable, or 32-bit; the kernel takes perf counters off such a process");
  }
  if (counts.foreign == 0) return;
  probe.notes.push_back("not counted: " + exporters::grouped(counts.foreign) +
                        (counts.foreign == 1 ? " call" : " calls") +
                        " of the 32-bit interface (a 32-bit program, or int $0x80), whose numbers mean other calls");
}

}  // namespace netpoll::cli
