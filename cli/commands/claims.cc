// claims: an experiment for each claim of the article about netpoll, on libruntime.
#include <algorithm>
#include <memory>

#include "cli/claims/observe.h"
#include "cli/command.h"
#include "cli/documents/claims.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/spell.h"
#include "exporters/json.h"
#include "exporters/table.h"

namespace netpoll::cli {
namespace {

struct Options {
  std::vector<std::string> names;
  bool list = false;
  bool html = false;
  std::string backend = "auto";
  OutputOptions output;
};

std::string list_of_claims() {
  exporters::Table table;
  table.column("name", exporters::Align::kLeft);
  table.column("claim", exporters::Align::kLeft);
  for (const Claim* claim : all_claims()) table.row({std::string(claim->name), std::string(claim->claim)});
  return table.text(/*color=*/false);
}

// Those that were named, each once, in the order of the table; all where none was.
Result<std::vector<const Claim*>> chosen(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (find_claim(name) != nullptr) continue;
    return Error(ErrorKind::kInvalid, "unknown claim \"" + name + "\"")
        .with_hint(did_you_mean(name, claim_names(), "one of: " + joined(claim_names())));
  }
  std::vector<const Claim*> claims;
  for (const Claim* claim : all_claims()) {
    if (names.empty() || std::find(names.begin(), names.end(), claim->name) != names.end()) claims.push_back(claim);
  }
  return claims;
}

JudgedClaim judged(const Claim& claim, Evidence seen) {
  JudgedClaim one{&claim, std::move(seen), {}};
  if (one.seen.failure.empty()) {
    claim.judge(one.seen, one.finding);
  } else {
    one.finding.unseen(one.seen.failure);
  }
  return one;
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  if (options.list) {
    if (auto written = print(list_of_claims()); !written) return std::move(written).error();
    return ExitStatus::kDone;
  }
  const auto claims = chosen(options.names);
  if (!claims) return claims.error();
  ClaimProbe probe;
  const auto backend = parse_backend_option(options.backend, counting_backends());
  if (!backend) return backend.error();
  probe.wanted = *backend;
  OutputOptions output = options.output;
  if (options.html) {
    if (!output.format.empty() || output.json) {
      return Error(ErrorKind::kInvalid, "--html is a format of its own").with_hint("leave -f and --json out");
    }
    output.format = "html";
  }
  exporters::ExportOptions wishes;
  wishes.everything = invocation.log.verbose();
  auto out = Emitter::open(output, exporters::Content::kResult, invocation.color, wishes);
  if (!out) return std::move(out).error();
  out->offer_pager(invocation.interrupt);

  const auto started_at = std::chrono::system_clock::now();
  std::vector<JudgedClaim> done;
  for (const Claim* claim : *claims) {
    invocation.log.progress("claim " + std::to_string(done.size() + 1) + " of " + std::to_string(claims->size()) +
                            ": " + std::string(claim->name));
    auto seen = observe(*claim, probe, invocation.interrupt);
    if (!seen) return std::move(seen).error();
    if (invocation.interrupt.requested()) break;
    done.push_back(judged(*claim, std::move(*seen)));
  }
  invocation.log.clear_progress();
  const bool interrupted = invocation.interrupt.requested();
  if (done.empty()) return invocation.interrupt.status();
  const exporters::Json document = claims_document(done, probe.used, started_at, interrupted);
  if (auto written = out->result(document); !written) return std::move(written).error();
  if (interrupted) return invocation.interrupt.status();
  if (document["does_not_hold"] != 0) return ExitStatus::kNo;
  return options.output.strict && document["cannot_say"] != 0 ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.positionals("name", options->names, claim_names());
  const char* group = "Claims";
  flags.on_off("--list", options->list, {group, "", "Show the claims, and run nothing"});
  flags.on_off("--html", options->html, {group, "", "One page for a browser, to pass around: -f html"});
  add_backend_option(flags, options->backend, counting_backends());
  add_output_options(flags, options->output, exporters::Content::kResult, /*strict_too=*/true);
  add_pager_option(flags, options->output);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command claims_command{
    .name = "claims",
    .summary = "puts each claim about Go's netpoll to the test, on libruntime",
    .usage = "[NAME...] [options]",
    .description =
        "A reading of Go's netpoll says how it works, in ten claims; libruntime is built that way. This runs a small "
        "experiment for each: what the article says, what Go really does, what was done here, what was measured, and "
        "whether the claim holds. -v shows each experiment step by step, with the system calls that a probe saw.\n"
        "\n"
        "Each experiment is a process of its own and takes a fraction of a second. What has to be seen from outside is "
        "watched by eBPF, or by ptrace where that may not be used; where neither may, those claims end with \"cannot say "
        "here\". An experiment that fails or does not end says that, too, and why.\n"
        "\n"
        "The exit status is 1 when a claim does not hold, and with --strict 4 when one could not be judged.",
    .examples =
        "netpoll-trace claims\n"
        "netpoll-trace claims poller arming -v\n"
        "netpoll-trace claims --html -o claims.html\n"
        "netpoll-trace claims --json | jq -r '.claims[] | [.name, .verdict] | @tsv'",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
