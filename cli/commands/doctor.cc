// doctor: what this machine, this user and a target allow.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "cli/documents/doctor.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "exporters/destination.h"
#include "exporters/json.h"
#include "probes/features.h"
#include "probes/perf/tracepoint_ids.h"

namespace netpoll::cli {
namespace {

using probes::Feature;
using probes::Features;

struct Options {
  ProcessOptions process;
  bool learn = false;
  OutputOptions output;
};

// The back end that --backend auto takes here, for a process that runs or for a command.
std::string chosen_backend(const Features& features, bool command) {
  const auto works = [&](const char* name) {
    const Feature* feature = features.find(name);
    return feature != nullptr && feature->ok;
  };
  if (works("ebpf_counts")) return "ebpf";
  if (command && works("perf_counts")) return "perf";
  return works("ptrace") ? "ptrace" : "";
}

// Keeps the ids of this kernel's tracepoints where everybody may read them.
Result<void> learn(Log& log) {
  const auto ids = probes::read_tracefs_ids();
  if (!ids) return ids.error();
  const probes::KernelBuild kernel = probes::running_kernel();
  const std::filesystem::path path = probes::learned_ids_path();
  std::error_code error;
  if (path.has_parent_path() && std::filesystem::create_directories(path.parent_path(), error) && !error) {
    std::filesystem::permissions(path.parent_path(), std::filesystem::perms(0755), error);
  }
  auto file = exporters::Destination::open(path.string());
  if (!file) return std::move(file).error();
  if (auto written = file->write(probes::learned_ids_document(*ids, kernel)); !written) return written;
  if (auto done = file->commit(); !done) return done;
  // Whatever root's umask says.
  std::filesystem::permissions(path, std::filesystem::perms(0644), error);
  if (error) return posix_error(path.string(), error.value());
  log.note("kept " + std::to_string(ids->size()) + " tracepoint ids of kernel " + kernel.release + " in " +
           path.string());
  return {};
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  const auto pids = find_processes(options.process);
  if (!pids) return pids.error();
  if (pids->size() > 1) {
    return Error(ErrorKind::kInvalid, "doctor looks at one process, not " + std::to_string(pids->size()))
        .with_hint("choose one: -p " + std::to_string(pids->front()));
  }
  const std::optional<pid_t> pid = pids->empty() ? std::nullopt : std::optional(pids->front());
  auto out = Emitter::open(options.output, exporters::Content::kResult, invocation.color);
  if (!out) return out.error();
  if (options.learn) {
    if (auto learned = learn(invocation.log); !learned) return std::move(learned).error();
  }
  Features features = probes::probe_features(pid);
  add_pollers(features.machine);
  DoctorFindings findings{.machine = features.machine,
                          .backend = chosen_backend(features, /*command=*/false),
                          .command_backend = chosen_backend(features, /*command=*/true)};
  if (pid) {
    if (auto target = probes::describe_target(*pid)) findings.target = std::move(*target);
    findings.target_features = features.target;
  }
  if (auto done = out->result(doctor_document(findings)); !done) return std::move(done).error();

  // The question is whether the main jobs can be done: counting somehow, and with a target, on this target.
  const bool target_refuses = std::any_of(features.target.begin(), features.target.end(), [](const Feature& feature) {
    return !feature.ok && feature.wanted && (feature.name == "target_exists" || feature.name == "target_countable");
  });
  return chosen_backend(features, /*command=*/true).empty() || target_refuses ? ExitStatus::kCannot : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/false);
  flags.on_off("--learn", options->learn,
               {"Machine", "", "As root, once per kernel: let ordinary users count by perf events"});
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/false);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command doctor_command{
    .name = "doctor",
    .summary = "says what this machine and user allow, and what would help",
    .usage = "[-p PID] [--learn] [options]",
    .description =
        "Tries each thing that the other commands depend on, and names the command that would fix what is missing. "
        "With a process it also says what can be seen of that one. Ends with 3 when nothing can be counted.\n"
        "\n"
        "With --learn, root keeps the ids of this kernel's tracepoints in /var/lib/netpoll-trace/tracepoints.json (or "
        "the file that NETPOLL_TRACEPOINTS names): with them, and kernel.perf_event_paranoid at 2 or less, ordinary "
        "users count commands of their own exactly and at low cost. The file says which kernel it is of, and is "
        "refused on another.",
    .examples = "sudo netpoll-trace doctor --learn\nnetpoll-trace doctor\nnetpoll-trace doctor -p 4711 --json",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
