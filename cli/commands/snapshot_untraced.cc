// snapshot where there is no /proc: the goroutines of live libruntime programs.
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/emit.h"
#include "cli/options.h"
#include "cli/snapshot/looks.h"
#include "cli/snapshot/view_flags.h"
#include "cli/units.h"

namespace netpoll::cli {
namespace {

struct Options {
  std::vector<std::string> pids;
  ViewFlags view;
  OutputOptions output;
};

Result<std::vector<pid_t>> pids_of(const Options& options) {
  std::vector<pid_t> found;
  for (const std::string& text : options.pids) {
    const auto pid = parse_pid(text);
    if (!pid) return pid.error();
    if (std::find(found.begin(), found.end(), *pid) == found.end()) found.push_back(*pid);
  }
  if (!found.empty()) return found;
  return Error(ErrorKind::kInvalid, "snapshot needs a process").with_hint("netpoll-trace snapshot -p PID");
}

Result<ExitStatus> run(const Options& options, Invocation& invocation) {
  const auto view = view_of(options.view);
  if (!view) return view.error();
  if (auto fits = check_formats(options.view, options.output); !fits) return fits.error();
  const auto read = read_options_of(options.view);
  if (!read) return read.error();
  const auto pids = pids_of(options);
  if (!pids) return pids.error();
  if (auto fits = check_number(options.view, options.output, pids->size()); !fits) return fits.error();
  auto out =
      Emitter::open(options.output, exporters::Content::kSnapshot, invocation.color, options.view.writing(*view));
  if (!out) return out.error();
  Looks looks(*read, *view, /*core=*/"", /*extend=*/nullptr, *out, invocation.log);
  if (auto attached = looks.attach_each(*pids); !attached) return attached.error();
  if (auto looked = looks.look(/*first=*/true); !looked) return looked.error();
  if (auto done = out->finish(); !done) return std::move(done).error();
  if (looks.passed_over() > 0) return ExitStatus::kCannot;
  return looks.inconsistent() > 0 && options.output.strict ? ExitStatus::kIncomplete : ExitStatus::kDone;
}

Action add(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.list("-p,--pid", options->pids, /*separate=*/true, {"Target", "PID", "A process id; repeat it for more"});
  add_view_flags(flags, options->view);
  add_output_options(flags, options->output, exporters::Content::kSnapshot, /*strict_too=*/true);
  return [options](Invocation& invocation) { return run(*options, invocation); };
}

}  // namespace

const Command snapshot_command{
    .name = "snapshot",
    .summary = "lists the goroutines of a process that wait for I/O",
    .usage = "-p PID... [options]",
    .description =
        "Reads the goroutines of a running libruntime program from its memory: what each waits for and how long, and "
        "the number of its descriptor. The target keeps running and needs no symbols; the output says whether "
        "everything in it belongs together. Addresses of sockets, names of functions, Go programs and cores are read "
        "on Linux.\n"
        "\n"
        "FreeBSD lets a process be read while it runs only where procfs(5) is mounted on /proc. Without, it is stopped "
        "for a moment, and the output says for how long; a SIGKILL for this tool in that moment kills it as well.\n"
        "\n"
        "Of several processes each has a page, or a document, one after the other. One that cannot be read is named on "
        "standard error, and the exit status is 3 at the end.",
    .examples =
        "netpoll-trace snapshot -p 4711\n"
        "netpoll-trace snapshot -p 4711 --min-wait 30s --no-deadline\n"
        "netpoll-trace snapshot -p 4711 --all --json",
    .takes_program = false,
    .add = add,
};

}  // namespace netpoll::cli
