// doctor, where nothing looks into the kernel: what works there, and where the rest would be.
#include <memory>

#include "cli/command.h"
#include "cli/documents/doctor.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/system/host.h"
#include "exporters/json.h"

namespace netpoll::cli {
namespace {

using probes::Feature;

struct Options {
  OutputOptions output;
};

Feature here(std::string name, std::string purpose) {
  return {.name = std::move(name),
          .purpose = std::move(purpose),
          .ok = true,
          .wanted = true,
          .detail = "",
          .why_not = "",
          .fix = ""};
}

Feature elsewhere(std::string name, std::string purpose) {
  return {.name = std::move(name),
          .purpose = std::move(purpose),
          .ok = false,
          .wanted = false,
          .detail = "",
          .why_not = "not on " + this_host().system + ": these commands are in netpoll-trace for Linux",
          .fix = ""};
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  auto out = Emitter::open(options.output, exporters::Content::kResult, invocation.color);
  if (!out) return out.error();
  DoctorFindings findings;
  findings.command_backend = "self";
  findings.machine.push_back(here("self_counts", "run: libruntime's own counters, exact"));
  add_pollers(findings.machine);
  findings.machine.push_back(elsewhere("kernel_counts", "stat, trace, epoll, top, claims: system calls and pollers"));
  findings.machine.push_back(here("read_memory", "snapshot: goroutines of a running libruntime process"));
  findings.machine.push_back(elsewhere("read_more", "snapshot of Go programs and cores, lint, serve"));
  if (auto done = out->result(doctor_document(findings)); !done) return std::move(done).error();
  return ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/false);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command doctor_command{
    .name = "doctor",
    .summary = "says what works on this machine, and where the rest would be",
    .usage = "[options]",
    .description = "Tries what the other commands depend on, and names what only another system has.",
    .examples = "netpoll-trace doctor\nnetpoll-trace doctor --json",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
