// doctor: what this machine, this user and a target allow.
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/documents/envelope.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "probes/features.h"

namespace netpoll::cli {
namespace {

using exporters::Json;
using exporters::text_or_null;
using probes::Feature;
using probes::Features;

struct Options {
  ProcessOptions process;
  OutputOptions output;
};

Json features_json(const std::vector<Feature>& features) {
  Json json = Json::array();
  for (const Feature& feature : features) {
    json.push_back({{"name", feature.name},
                    {"ok", feature.ok},
                    {"wanted", feature.wanted},
                    {"purpose", feature.purpose},
                    {"detail", text_or_null(feature.detail)},
                    {"why_not", text_or_null(feature.why_not)},
                    {"fix", text_or_null(feature.fix)}});
  }
  return json;
}

// The back end that --backend auto takes here.
std::string chosen_backend(const Features& features) {
  const auto works = [&](const char* name) {
    const Feature* feature = features.find(name);
    return feature != nullptr && feature->ok;
  };
  if (works("ebpf_counts")) return "ebpf";
  return works("ptrace") ? "ptrace" : "";
}

Json document_of(const Features& features, std::optional<pid_t> pid) {
  Json json = new_document("doctor", std::chrono::system_clock::now());
  json["target"] = nullptr;
  if (pid) {
    if (const auto target = probes::describe_target(*pid)) json["target"] = target_json(*target);
  }
  json["probe"] = nullptr;
  json["backend"] = text_or_null(chosen_backend(features));
  json["machine"] = features_json(features.machine);
  json["target_features"] = pid ? features_json(features.target) : Json(nullptr);
  return json;
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
  const Features features = probes::probe_features(pid);
  if (auto done = out->result(document_of(features, pid)); !done) return std::move(done).error();

  // The question is whether the main jobs can be done: counting somehow, and with a target, on this target.
  const bool target_refuses = std::any_of(features.target.begin(), features.target.end(), [](const Feature& feature) {
    return !feature.ok && feature.wanted && (feature.name == "target_exists" || feature.name == "target_countable");
  });
  return chosen_backend(features).empty() || target_refuses ? ExitStatus::kCannot : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  add_process_options(flags, options->process, /*several=*/false);
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/false);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command doctor_command{
    .name = "doctor",
    .summary = "says what this machine and user allow, and what would help",
    .usage = "[-p PID] [options]",
    .description =
        "Tries each thing that the other commands depend on, and names the command that would fix what is missing. "
        "With a process it also says what can be seen of that one. Ends with 3 when nothing can be counted.",
    .examples = "netpoll-trace doctor\nnetpoll-trace doctor -p 4711 --json",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
